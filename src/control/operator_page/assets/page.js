// What every view needs, and what only some do.

import * as actions from "./actions.js";
import * as live from "./live.js";
import * as table from "./table.js";

// Views whose figures are no part of the status load themselves again now and then.
const EVERY = 5_000;

if (document.body.dataset.view) {
  actions.begin();
  // At phone width the ways to the views scroll.
  document.querySelector("header nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  live.begin();
  const sessions = document.getElementById("sessions");
  if (sessions) table.begin(sessions);
  else setInterval(live.soon, EVERY);
}
