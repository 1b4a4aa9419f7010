// An operator who keeps the sessions of a full relay open. One page stays and is scrolled; another is sorted, paged and
// searched. Of the task: token, sessions (of users without media), users,
// calls (with media), seconds, relay (its process).

import { readFileSync } from "node:fs";

import { LOOKS, api, isLive, launch, logIn, report, shoot, task, until, watch } from "./operator_browser.mjs";

const SORTS = ["began", "mos", "loss", "jitter", "rtt", "bytes"];
const rss = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${task.relay}/status`, "utf8"))[1]);
const quantile = (values, share) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)];
const rounded = (value) => Math.round(value * 10) / 10;
const spread = (values) => ({
  count: values.length, p50: rounded(quantile(values, 0.5)), p95: rounded(quantile(values, 0.95)), worst: rounded(quantile(values, 1)),
});

report.unlike = [];
report.most_rows = 0;

async function rowsOf(page) {
  const rows = await page.locator("#sessions tbody tr").count();
  report.most_rows = Math.max(report.most_rows, rows);
}

// A window that shows all sessions, and a way to measure it. A page behind another one would be drawn once a second.
async function open(browser, storageState) {
  const context = await browser.newContext({ ...LOOKS[0][1], storageState });
  const page = watch(await context.newPage());
  await page.goto(`${task.url}/sessions`);
  await isLive(page, "the sessions");
  const inspector = await context.newCDPSession(page);
  const measure = async () => {
    await inspector.send("HeapProfiler.collectGarbage");
    const { nodes, jsEventListeners } = await inspector.send("Memory.getDOMCounters");
    const { usedSize } = await inspector.send("Runtime.getHeapUsage");
    return { heap: usedSize, nodes, listeners: jsEventListeners };
  };
  await inspector.send("Performance.setTimeDomain", { timeDomain: "threadTicks" });
  await inspector.send("Performance.enable");
  // Milliseconds of processor time that the page's thread has taken: no other program is in them.
  const busy = async () => {
    const { metrics } = await inspector.send("Performance.getMetrics");
    return 1_000 * metrics.find(({ name }) => name === "TaskDuration").value;
  };
  return { page, measure, busy };
}

// Milliseconds from frame to frame while the table is scrolled by a screen or so, from anywhere.
const scroll = (page, share) => page.evaluate((share) => new Promise((resolve) => {
  const region = document.getElementById("sessions");
  region.scrollTo(0, (region.scrollHeight - region.clientHeight) * share);
  const times = [];
  let last = null;
  const step = (now) => {
    if (last !== null) times.push(now - last);
    last = now;
    if (times.length >= 40) return resolve(times);
    region.scrollBy(0, 24);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}), share);

// Another order, a page in the midst, one user's address range: what is shown is what the API finds.
async function move(page, round, answers) {
  const go = async (query) => {
    const began = performance.now();
    await page.goto(`${task.url}/sessions${query}`);
    answers.push(performance.now() - began);
    await rowsOf(page);
  };
  await go(`?sort=${SORTS[round % SORTS.length]}`);
  await page.locator("#sessions thead a").nth(round % 9).click();
  await page.waitForSelector("#sessions tbody tr[data-id]");
  await page.locator("#sessions").evaluate((region, share) => region.scrollTo(0, region.scrollHeight * share), Math.random());
  await until("the rows in sight", () => page.locator("#sessions").evaluate((region) => {
    const seen = [...region.querySelectorAll("tbody tr[data-id]")].filter((row) => row.getBoundingClientRect().top > region.getBoundingClientRect().top);
    return seen.length > 5;
  }));
  await rowsOf(page);
  await go(`?page=${1 + Math.floor(Math.random() * (task.sessions / 100))}`);
  const range = `127.1.${1 + (round % task.users)}.0/24`;
  await page.fill("#by-search", range);
  await page.click("form.search button");
  await page.waitForURL(/search=/);
  const shown = await page.locator("#matched strong").textContent();
  const { matched } = await api(page, `/v1/sessions?page_size=1&search=${encodeURIComponent(range)}`);
  if (Number(shown.replaceAll(",", "")) !== matched) report.unlike.push([range, shown, matched]);
  if (matched !== task.sessions / task.users) report.unlike.push([range, matched]);
  await go("");
}

const browser = await launch();
try {
  const context = await browser.newContext(LOOKS[0][1]);
  await until("the relay", () => fetch(`${task.url}/livez`).then((answer) => answer.ok, () => false), 60_000);
  const first = watch(await context.newPage());
  await logIn(first, task.token);
  const began = Date.now();
  const all = async () => (await api(first, "/v1/status")).sessions.total >= task.sessions + task.calls;
  await until(`${task.sessions} sessions`, all, 300_000);
  report.opened_in_seconds = (Date.now() - began) / 1_000;
  const state = await context.storageState();
  await context.close();
  const [stays, moves] = [await open(browser, state), await open(browser, state)];
  await shoot(stays.page, "sessions-many", false);
  const sample = async () => ({ stays: await stays.measure(), moves: await moves.measure(), rss: rss() });
  const [frames, answers, samples, work] = [[], [], [], []];
  const start = Date.now();
  for (let round = 0; Date.now() - start < task.seconds * 1_000; round += 1) {
    const before = await stays.busy();
    const times = await scroll(stays.page, Math.random());
    work.push(((await stays.busy()) - before) / times.length);
    frames.push(...times);
    await rowsOf(stays.page);
    await move(moves.page, round, answers);
    // The first tenth fills what is kept once.
    if (Date.now() - start > task.seconds * 100 * (samples.length + 1)) samples.push({ at: Math.round((Date.now() - start) / 1_000), ...(await sample()) });
  }
  samples.push({ at: Math.round((Date.now() - start) / 1_000), ...(await sample()) });
  Object.assign(report, {
    first: samples[Math.min(1, samples.length - 1)], last: samples.at(-1), samples, frames_ms: spread(frames), work_ms_per_frame: spread(work), views_ms: spread(answers),
    sessions: (await api(stays.page, "/v1/status")).sessions.total,
  });
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
