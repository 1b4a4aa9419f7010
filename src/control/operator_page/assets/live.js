// What the relay says of itself once a second: figures on the page follow it.

import { write } from "./figures.js";
import { isOld, refresh } from "./parts.js";

// What changes more than a figure when it changes.
const WORDS = ["state", "ready", "not_ready", "draining", "announced", "alerts"];
const POLL = 2_000;
const AGAIN = 30_000;
const STALE = 5_000;

const status = {};
let heard = 0;

const at = (path) => path.split(".").reduce((value, key) => value?.[key], status);

function show() {
  for (const element of document.querySelectorAll("[data-path]")) {
    const text = write(element.dataset.form, at(element.dataset.path));
    if (element.textContent !== text) element.textContent = text;
  }
  for (const bar of document.querySelectorAll("[data-bar]")) {
    const value = at(bar.dataset.bar);
    if (typeof value !== "number") continue;
    const used = Math.min(Math.max(bar.dataset.bar.endsWith("free_share") ? 1 - value : value, 0), 1);
    bar.setAttribute("width", (used * 100).toFixed(1));
    bar.setAttribute("class", `fill ${used >= 0.9 ? "bad" : used >= 0.75 ? "fair" : "good"}`);
  }
  for (const tag of document.querySelectorAll("[data-binds]")) tag.hidden = tag.dataset.binds !== status.capacity?.binds;
}

function take(changed) {
  const first = heard === 0;
  heard = Date.now();
  Object.assign(status, changed);
  show();
  if (!first && WORDS.some((word) => word in changed)) soon();
}

let waiting = null;

// A burst of events is one load of the page.
export function soon() {
  waiting ??= setTimeout(() => {
    waiting = null;
    refresh().then(show);
  }, 250);
}

function freshness() {
  const element = document.getElementById("freshness");
  if (!element) return;
  const lost = heard > 0 && Date.now() - heard > STALE;
  const text = lost ? "Not connected: the figures are old." : isOld() ? "This view is old." : heard > 0 ? "Live." : "";
  if (element.textContent !== text) element.textContent = text;
  document.body.classList.toggle("lost", lost);
}

async function poll() {
  const answer = await fetch("/v1/status").catch(() => null);
  if (answer?.status === 401) location.reload();
  if (answer?.ok) take(await answer.json());
}

let stream = null;
let polling = null;

function end() {
  stream?.close();
  clearInterval(polling);
  [stream, polling] = [null, null];
}

// A page that nobody looks at keeps no stream: the relay has few, and browsers few connections.
function listen() {
  end();
  if (document.hidden) return;
  const mine = new EventSource("/v1/stream");
  stream = mine;
  mine.addEventListener("status", ({ data }) => take(JSON.parse(data)));
  mine.addEventListener("event", soon);
  mine.addEventListener("alert", soon);
  mine.addEventListener("error", () => {
    // A stream that broke off is opened again by the browser; one that was refused is not.
    if (mine.readyState !== EventSource.CLOSED || stream !== mine || polling) return;
    poll();
    polling = setInterval(poll, POLL);
    setTimeout(() => stream === mine && listen(), AGAIN);
  });
}

export function begin() {
  listen();
  setInterval(freshness, 1_000);
  document.addEventListener("visibilitychange", listen);
  addEventListener("pagehide", end);
  // Coming back by the browser's history finds the stream closed.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
}
