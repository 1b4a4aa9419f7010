// An operator with a browser: logs in, looks at every view in light, in dark and at phone width, searches, scrolls, ends a
// call, drains and takes the drain back. Of the task: token, sessions, seconds.

import { readFileSync } from "node:fs";

import { forms } from "../../../src/control/operator_page/assets/figures.js";
import { LOOKS, api, audit, freshness, isLive, launch, logIn, report, shoot, task, until, watch } from "./operator_browser.mjs";

const VIEWS = [
  ["overview", "/"], ["announcements", "/announcements"], ["sessions", "/sessions"], ["quality", "/quality"],
  ["quality-peer", "/quality?leg=peer&show=rtt"], ["timeline", "/timeline"], ["explain", "/explain"],
];
report.figures = figures();

// What the script writes otherwise than the examples say.
function figures() {
  const examples = JSON.parse(readFileSync(new URL("../../../src/control/operator_page/assets/figures.json", import.meta.url)));
  return examples.filter(([form, value, written]) => forms[form](value) !== written);
}

const browser = await launch();
try {
  const context = await browser.newContext(LOOKS[0][1]);
  const page = await context.newPage();
  watch(page);

  // Whoever has not logged in is shown where; a wrong token does not help.
  await page.goto(task.url);
  report.sentTo = new URL(page.url()).pathname;
  await audit(page, "login");
  await shoot(page, "login-light", false);
  await page.fill("#token", "not the token at all, but as long as one");
  await page.click("button[type=submit]");
  report.refusal = await page.textContent("#refusal");
  await page.fill("#token", task.token);
  await page.click("button[type=submit]");
  await page.waitForSelector("#answer");
  report.cookie = (await context.cookies()).map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }))[0];
  report.scriptsSee = await page.evaluate(() => document.cookie);
  const state = await context.storageState();
  const name = await page.getAttribute("body", "data-relay");
  const calls = async () => (await api(page, "/v1/status")).sessions.total;
  await until("all calls", async () => (await calls()) >= task.sessions, 120_000);

  // Every view, in every look.
  for (const [look, options] of LOOKS) {
    const other = await browser.newContext({ ...options, storageState: state });
    const shown = await other.newPage();
    watch(shown);
    for (const [view, path] of VIEWS) {
      const answer = await shown.goto(task.url + path);
      await isLive(shown, view);
      report.views.push(`${look} ${view} ${answer.status()}`);
      await audit(shown, `${look} ${view}`);
      await shoot(shown, `${view}-${look}`);
    }
    await shown.click("nav >> text=Overview");
    await shown.click("[data-open=drain]");
    await audit(shown, `${look} drain`);
    await shoot(shown, `drain-${look}`, false);
    await other.close();
  }

  // Without scripts, the first paint says it all.
  const plain = await browser.newContext({ storageState: state, javaScriptEnabled: false });
  const still = await plain.newPage();
  watch(still);
  await still.goto(task.url);
  report.plain = { sessions: await still.textContent("[data-path='sessions.total']"), answer: await still.textContent("#answer") };
  await still.goto(`${task.url}/sessions`);
  report.plain.rows = await still.locator("#sessions tbody tr").count();
  await plain.close();

  // Figures of the page and of the API at the same moment.
  await page.goto(task.url);
  await isLive(page, "the overview");
  report.shown = await until("the page to say what the API says", async () => {
    const told = await api(page, "/v1/status");
    const shown = await page.evaluate(() => document.querySelector("[data-path='sessions.total']").textContent);
    return shown === forms.count(told.sessions.total) && { page: shown, api: told.sessions.total, sessions: told.sessions };
  });
  report.packets = await until("packets", async () => {
    const text = await page.textContent("[data-path='rates.packets_per_second']");
    return text !== "0" && text;
  });
  report.hour = await until("the last hour to end with all calls", async () => {
    const label = await page.locator("#hour svg").first().getAttribute("aria-label", { timeout: 1_000 }).catch(() => "");
    return label.endsWith(`, ${forms.count(task.sessions)} at the end`) && { label, charts: await page.locator("#hour svg").count() };
  }, 60_000);

  // All sessions: few rows in the document, any of them in sight; one found by its name, looked at, explained and ended.
  await page.goto(`${task.url}/sessions`);
  const region = page.locator("#sessions");
  report.rowsInDocument = await region.locator("tbody tr").count();
  report.rowsInAll = Number(await region.locator("table").getAttribute("aria-rowcount")) - 2;
  await region.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  const last = (await api(page, "/v1/sessions?page_size=1")).matched;
  report.lastRow = await until("the last row", () => region.evaluate((element, last) => {
    const rows = [...element.querySelectorAll("tbody tr[data-id]")];
    return rows.find((row) => Number(row.getAttribute("aria-rowindex")) === last + 2)?.dataset.id;
  }, last));
  const [{ id, client, user }] = (await api(page, "/v1/sessions?page_size=1&sort=began&order=asc")).sessions;
  await page.fill("#by-search", id);
  await page.click("form.search button");
  report.found = await page.locator("#sessions tbody tr[data-id]").evaluateAll((rows) => rows.map((row) => row.dataset.id));
  await page.click(`#sessions tbody a[href='/sessions/${id}']`);
  await page.waitForSelector("#facts");
  report.detail = { id, client, user, text: await page.textContent("#facts"), charts: await page.locator("#course svg").count() };
  await audit(page, "session");
  await shoot(page, "session-light");
  await page.click("text=Explain this call");
  report.explained = await page.textContent("#explanation");
  await audit(page, "explanation");
  await shoot(page, "explanation-light");
  await page.goBack();
  await page.click("[data-open=end]");
  await audit(page, "end");
  await page.click("#end button[type=submit]");
  await page.waitForURL("**/sessions");
  report.ended = await until("the end of the call", async () => {
    const { sessions } = await api(page, `/v1/sessions?search=${id}`);
    return !sessions.some((session) => session.id === id);
  });

  // Draining asks for the relay's name.
  await page.goto(task.url);
  await page.click("[data-open=drain]");
  report.liveCalls = await page.textContent("#drain-calls");
  await page.fill("#drain-name", `not-${name}`);
  await page.click("#drain button[type=submit]");
  report.wrongName = await page.textContent("#drain .error");
  report.afterWrongName = (await api(page, "/v1/status")).draining;
  await page.fill("#drain-name", name);
  await page.click("#drain button[type=submit]");
  await page.waitForSelector("[data-open=undrain]");
  report.draining = { answer: await page.textContent("#answer"), state: (await api(page, "/v1/status")).state };
  await audit(page, "draining");
  await shoot(page, "draining-light");
  await page.click("[data-open=undrain]");
  await page.click("#undrain button[type=submit]");
  await page.waitForSelector("[data-open=drain]");
  report.undrained = (await api(page, "/v1/status")).draining;
  await page.goto(`${task.url}/timeline`);
  report.timeline = await page.textContent("#events");
  report.audit = await api(page, "/v1/audit");

  // An open page does not grow.
  if (task.seconds) report.growth = await soak(context, page);

  report.troubles = await troubles(context, page, name);

  await page.goto(task.url);
  await page.click("#log-out");
  await page.waitForURL("**/login");
  await page.goto(task.url);
  report.afterLogOut = new URL(page.url()).pathname;
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}

// What does not go as it should is said, and mended where it can be. Not watched: what is refused is an error to the
// browser's console.
async function troubles(context, page, name) {
  const tab = await context.newPage();
  const told = {};

  // A table that was opened empty fills by itself.
  const nobody = `${task.url}/sessions?search=nobody-is-called-that`;
  await tab.route("**/sessions", async (route) => route.fulfill({ response: await route.fetch({ url: nobody }) }), { times: 1 });
  await tab.goto(`${task.url}/sessions`);
  told.none = await tab.locator("#none").isVisible();
  const rows = tab.locator("#sessions tbody tr[data-id]");
  told.filled = await until("rows in the empty table", () => rows.count());
  told.noneLater = await tab.locator("#none").isVisible();

  // A call that ends while somebody looks at it.
  const [{ id, client }] = (await api(page, "/v1/sessions?page_size=1")).sessions;
  await tab.goto(`${task.url}/sessions/${id}`);
  await isLive(tab, "the call");
  await tab.evaluate((id) => fetch(`/v1/sessions/${id}`, {
    method: "DELETE", headers: { "x-tern-csrf": document.body.dataset.csrf },
  }), id);
  await tab.locator("#old").waitFor();
  told.old = await tab.textContent("#old");
  await until("the footer to say so", async () => (await freshness(tab)) === "This view is old.");
  told.stays = (await tab.textContent("#facts")).includes(client);
  await audit(tab, "an old view");

  // Somebody logs in anew in another tab: this one's secret is no longer the right one.
  await tab.goto(task.url);
  const secret = () => tab.getAttribute("body", "data-csrf");
  const before = await secret();
  await logIn(page, task.token);
  await tab.click("[data-open=drain]");
  await tab.fill("#drain-name", name);
  await tab.click("#drain button[type=submit]");
  await tab.waitForSelector("[data-open=undrain]");
  told.drained = (await api(page, "/v1/status")).draining !== null;
  told.learnt = (await secret()) !== before;
  await tab.click("[data-open=undrain]");
  await tab.click("#undrain button[type=submit]");
  await tab.waitForSelector("[data-open=drain]");

  // Who is not logged out is not told that he is.
  await tab.route("**/logout", (route) => route.abort());
  await tab.click("#log-out");
  told.logOut = await until("word of it", () => tab.textContent("#result"));
  told.still = new URL(tab.url()).pathname;
  await tab.close();
  return told;
}

// Scrolls through the sessions for a while; heap and nodes after the first quarter, and at the end.
async function soak(context, page) {
  await page.goto(`${task.url}/sessions`);
  const inspector = await context.newCDPSession(page);
  const measure = async () => {
    await inspector.send("HeapProfiler.collectGarbage");
    const counters = await inspector.send("Memory.getDOMCounters");
    const { usedSize } = await inspector.send("Runtime.getHeapUsage");
    return { heap: usedSize, nodes: counters.nodes, listeners: counters.jsEventListeners };
  };
  let [first, slowest, frames] = [null, 0, 0];
  const began = Date.now();
  while (Date.now() - began < task.seconds * 1_000) {
    if (!first && Date.now() - began > task.seconds * 250) first = await measure();
    const took = await page.evaluate((share) => new Promise((resolve) => {
      const region = document.getElementById("sessions");
      region.scrollTo(0, region.scrollHeight * share);
      const start = performance.now();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - start)));
    }), Math.random());
    slowest = Math.max(slowest, took);
    frames += 1;
    await page.waitForTimeout(100);
  }
  return { first, last: await measure(), slowest, frames };
}
