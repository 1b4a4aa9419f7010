// What the scripts of the operator page share: a browser, and an eye on everything that it complains about. Argument: JSON
// with {chromium, url, screenshots} and what the script itself needs. A script prints one line of JSON; the caller judges it.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

export const task = JSON.parse(process.argv[2]);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const LOOKS = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["phone", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
];
export const report = { complaints: [], violations: [], overflows: [], views: [] };

export const launch = () => chromium.launch({
  executablePath: task.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--js-flags=--expose-gc"],
});

// Everything that the browser has to say about the page: errors, warnings, breaches of its policy.
export function watch(page) {
  page.on("console", (message) => report.complaints.push(`${page.url()}: ${message.text()}`));
  page.on("pageerror", (error) => report.complaints.push(`${page.url()}: ${error.message}`));
  return page;
}

// Barriers that axe finds, and what is wider than the window.
export async function audit(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document));
  for (const { id, nodes } of found.violations) report.violations.push(`${what}: ${id}: ${nodes[0].html}`);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (beyond > 0) report.overflows.push(`${what}: ${beyond}`);
}

export async function shoot(page, name, fullPage = true) {
  if (task.screenshots) await page.screenshot({ path: `${task.screenshots}/${name}.png`, fullPage });
}

export async function until(what, found, limit = 60_000) {
  for (let waited = 0; waited < limit; waited += 100) {
    const value = await found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not happen`);
}

export const freshness = (page) => page.evaluate(() => document.getElementById("freshness").textContent);
export const isLive = (page, what) => until(`${what} goes live`, async () => (await freshness(page)) === "Live.");

export const api = (page, path) => page.evaluate((path) => fetch(path).then((answer) => answer.json()), path);

export async function logIn(page, token) {
  await page.goto(`${task.url}/login`);
  await page.fill("#token", token);
  await page.click("button[type=submit]");
  await page.waitForSelector("#answer");
}
