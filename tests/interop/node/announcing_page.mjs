// An operator who looks at what is announced, withdraws it and announces it again; a viewer; a page of another origin. Of the
// task: operator and viewer (tokens), prefix, bird (the router's control socket), sessions.

import { createServer } from "node:http";
import { connect } from "node:net";

import { forms, NOTHING } from "../../../src/control/operator_page/assets/figures.js";
import { LOOKS, api, audit, isLive, launch, logIn, report, shoot, task, until, watch } from "./operator_browser.mjs";

// What the router answers.
function bird(command) {
  return new Promise((resolve, reject) => {
    const socket = connect(task.bird);
    let text = "";
    socket.on("error", reject);
    socket.on("data", (data) => {
      text += data;
      // "0000 …" or "8001 …" ends an answer; the greeting is "0001 …".
      if (/^(0000|[89]\d{3}) .*\n/m.test(text)) socket.end();
    });
    socket.on("close", () => resolve(text));
    socket.write(`${command}\n`);
  });
}

const route = () => bird(`show route all for ${task.prefix}`);
const isAnnounced = async (page) => (await api(page, "/v1/bgp")).neighbors[0].routes[0].announced;

const browser = await launch();
try {
  const context = await browser.newContext(LOOKS[0][1]);
  const page = watch(await context.newPage());
  await until("the relay", () => fetch(`${task.url}/livez`).then((answer) => answer.ok, () => false), 60_000);
  await logIn(page, task.operator);
  await until("the announcement", () => isAnnounced(page), 60_000);
  const up = async () => (await api(page, "/v1/bfd")).sessions.some(({ state }) => state === "up");
  await until("BFD", up, 60_000);

  // What is announced, and why.
  for (const [look, options] of LOOKS) {
    await page.setViewportSize(options.viewport);
    await page.emulateMedia({ colorScheme: options.colorScheme });
    await page.goto(`${task.url}/announcements`);
    await isLive(page, "announcements");
    await audit(page, `${look} announcements`);
    await shoot(page, `announcing-${look}`);
  }
  await page.setViewportSize(LOOKS[0][1].viewport);
  const part = (id) => page.innerText(`#${id}`);
  const reasons = () => page.locator("#prefixes .why li").allTextContents();
  const same = await until("the reasons of the API", async () => {
    const [why, whyByApi] = [await reasons(), (await api(page, "/v1/bgp/why")).neighbors[0].routes[0].why];
    return JSON.stringify(why) === JSON.stringify(whyByApi) && { why, whyByApi };
  });
  report.announced = {
    ...same, prefixes: await part("prefixes"), neighbors: await part("neighbors"), health: await part("health"), router: await route(),
  };
  await page.click("[data-action=why]");
  report.checked = await until("all checks", () => page.textContent("#result"));

  // Withdrawn, after a question; then announced again.
  await page.click("[data-open=withdraw]");
  report.asked = await page.textContent("#withdraw-title");
  await audit(page, "withdraw");
  await shoot(page, "withdraw-light", false);
  await page.click("#withdraw [data-close]");
  report.afterCancel = await isAnnounced(page);
  await page.click("[data-open=withdraw]");
  await page.click("#withdraw button[type=submit]");
  await until("the withdrawal", async () => !(await isAnnounced(page)));
  await until("the page to say so", async () => (await part("prefixes")).includes("withheld"));
  const router = await until("the router to hear of it", async () => {
    const text = await route();
    return !text.includes(task.prefix) && text;
  });
  report.withdrawn = { result: await page.textContent("#result"), prefixes: await part("prefixes"), router };
  await page.click("[data-action=announce]");
  report.again = await until("the route again", async () => {
    const text = await route();
    return text.includes(task.prefix) && text;
  });

  // Every figure is the API's; packets are those of the load test.
  await page.goto(task.url);
  await isLive(page, "the overview");
  await until("the load test's packets", async () => {
    const { rates, sessions } = await api(page, "/v1/status");
    return sessions.total === task.sessions && Math.abs(rates.packets_per_second / (task.sessions * 100) - 1) < 0.1;
  }, 120_000);
  report.figures = await until("figures of the API", async () => {
    const [status, shown] = await page.evaluate(async () => {
      const status = await fetch("/v1/status").then((answer) => answer.json());
      const places = [...document.querySelectorAll("[data-path]")];
      return [status, places.map((place) => [place.dataset.path, place.dataset.form, place.textContent])];
    });
    const at = (path) => path.split(".").reduce((value, key) => value?.[key], status);
    const wanted = ([path, form]) => (typeof at(path) === "number" ? forms[form](at(path)) : NOTHING);
    const others = shown.filter((figure) => wanted(figure) !== figure[2]);
    return others.length === 0 && { compared: shown.length, sessions: status.sessions.total };
  }, 60_000);
  await shoot(page, "overview-announcing");
  await page.goto(`${task.url}/sessions`);
  // The relay's test calls of itself come and go.
  const rows = await page.locator("#sessions tbody tr[data-id]:not(:has(.tag))").evaluateAll((rows) =>
    rows.map(({ dataset, cells }) => [dataset.id, cells[1].textContent, cells[2].textContent.toLowerCase()]));
  const told = (await api(page, "/v1/sessions?page_size=100")).sessions.filter((session) => !session.is_self_test);
  report.rows = { page: rows, api: told.map(({ id, client, transport }) => [id, client, transport]) };

  // Somebody who may only look.
  const other = await browser.newContext(LOOKS[0][1]);
  const guest = watch(await other.newPage());
  await logIn(guest, task.viewer);
  report.viewer = { who: await guest.textContent(".who > span"), views: [], offered: [] };
  for (const view of ["/", "/announcements", "/sessions", `/sessions/${rows[0][0]}`, "/quality", "/timeline", "/explain"]) {
    const answer = await guest.goto(task.url + view);
    await isLive(guest, view);
    report.viewer.views.push(`${view} ${answer.status()}`);
    const buttons = await guest.locator("[data-open], [data-action], dialog").evaluateAll((all) => all.map((one) => one.outerHTML));
    report.viewer.offered.push(...buttons);
    await audit(guest, `viewer ${view}`);
  }
  // Refusals are errors to the browser's console: whatever is forged comes from a page that is not watched.
  const forger = await other.newPage();
  await forger.goto(task.url);
  report.viewer.forged = await forger.evaluate(async (id) => {
    const headers = { "content-type": "application/json", "x-tern-csrf": document.body.dataset.csrf };
    const statuses = {};
    for (const [method, path, body] of [
      ["POST", "/v1/drain", {}], ["POST", "/v1/undrain"], ["DELETE", `/v1/sessions/${id}`], ["POST", "/v1/bgp/withdraw", {}],
      ["POST", "/v1/bgp/announce", {}], ["POST", "/v1/bgp/why"], ["POST", "/v1/reload", {}], ["PUT", "/v1/log", { level: "trace" }],
      ["POST", "/v1/credentials", { user: "me", ttl_seconds: 60 }],
    ]) {
      statuses[`${method} ${path}`] = (await fetch(path, { method, headers, body: body && JSON.stringify(body) })).status;
    }
    return statuses;
  }, rows[0][0]);

  // A page of another origin, in the operator's browser: same site, so the cookie goes along.
  const elsewhere = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<title>foreign</title>"));
  await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", resolve));
  const foreign = await context.newPage();
  await foreign.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  report.foreign = await foreign.evaluate((url) =>
    fetch(`${url}/v1/drain`, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" }).then(({ type }) => type), task.url);
  elsewhere.closeAllConnections();
  elsewhere.close();
  const status = await api(page, "/v1/status");
  report.unchanged = { draining: status.draining, announced: await isAnnounced(page), sessions: status.sessions.total };

  await guest.click("#log-out");
  await guest.waitForURL("**/login");
  report.viewer.loggedOut = new URL(guest.url()).pathname;
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
