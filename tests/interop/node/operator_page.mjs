// An operator with a browser: logs in, looks at every view in light, in dark and at phone width, searches, scrolls, ends a
// call, drains and takes the drain back. Argument: JSON {chromium, url, token, sessions, seconds, screenshots}. Prints one line
// of JSON; the caller judges it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

import { forms } from "../../../src/control/operator_page/assets/figures.js";

const task = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = [
  ["overview", "/"], ["announcements", "/announcements"], ["sessions", "/sessions"], ["quality", "/quality"],
  ["quality-peer", "/quality?leg=peer&show=rtt"], ["timeline", "/timeline"], ["explain", "/explain"],
];
const LOOKS = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
];
const report = { complaints: [], violations: [], overflows: [], views: [], figures: figures() };

// What the script writes otherwise than the examples say.
function figures() {
  const examples = JSON.parse(readFileSync(new URL("../../../src/control/operator_page/assets/figures.json", import.meta.url)));
  return examples.filter(([form, value, written]) => forms[form](value) !== written);
}

// Everything that the browser has to say about the page: errors, warnings, breaches of its policy.
function watch(page) {
  page.on("console", (message) => report.complaints.push(`${page.url()}: ${message.text()}`));
  page.on("pageerror", (error) => report.complaints.push(`${page.url()}: ${error.message}`));
}

async function audit(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document));
  for (const { id, nodes } of found.violations) report.violations.push(`${what}: ${id}: ${nodes[0].html}`);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (beyond > 0) report.overflows.push(`${what}: ${beyond}`);
}

async function shoot(page, name, fullPage = true) {
  if (task.screenshots) await page.screenshot({ path: `${task.screenshots}/${name}.png`, fullPage });
}

async function until(what, found, limit = 20_000) {
  for (let waited = 0; waited < limit; waited += 100) {
    const value = await found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not happen`);
}

const api = (page, path) => page.evaluate((path) => fetch(path).then((answer) => answer.json()), path);

const browser = await chromium.launch({
  executablePath: task.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--js-flags=--expose-gc"],
});
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
  report.refusal = await page.textContent("#trouble");
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
      await until(`${view} goes live`, () => shown.evaluate(() => document.getElementById("freshness").textContent === "Live."));
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
  await until("live figures", () => page.evaluate(() => document.getElementById("freshness").textContent === "Live."));
  report.shown = await until("the page to say what the API says", async () => {
    const told = await api(page, "/v1/status");
    const shown = await page.evaluate(() => document.querySelector("[data-path='sessions.total']").textContent);
    return shown === forms.count(told.sessions.total) && { page: shown, api: told.sessions.total, sessions: told.sessions };
  });
  report.packets = await until("packets", async () => {
    const text = await page.textContent("[data-path='rates.packets_per_second']");
    return text !== "0" && text;
  });
  report.charts = await page.locator("#charts svg").count();

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

  await page.goto(task.url);
  await page.click("#log-out");
  await page.waitForURL("**/login");
  await page.goto(task.url);
  report.afterLogOut = new URL(page.url()).pathname;
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
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
