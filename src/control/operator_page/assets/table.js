// All sessions in one table that scrolls: of ten thousand rows only those in sight are in the document. Rows come a page
// at a time, as the server writes them.

import { judge, load } from "./parts.js";

const BEYOND = 10; // Rows above and below what is in sight.
const PAGES = 6; // That are remembered.
const EVERY = 2_000;

export function begin(region) {
  const body = region.querySelector("tbody");
  const size = Number(region.dataset.pageSize);
  let matched = Number(region.dataset.matched);
  const first = Number(region.dataset.page);
  const pages = new Map([[first, [...body.rows]]]);
  const asked = new Set();
  const columns = [...region.querySelector("thead tr").cells].reduce((sum, cell) => sum + cell.colSpan, 0);
  let [head, height] = [0, 0];
  let drawn = [0, 0];
  const [above, below] = [spacer(columns), spacer(columns)];
  document.getElementById("pages").hidden = true;

  function url(page) {
    const address = new URL(location.href);
    address.searchParams.set("page", page);
    return address;
  }

  // Of a table that is shown, with a row in it: there may be none yet.
  function measure() {
    const row = height === 0 && body.querySelector("tr[data-id]");
    if (!row) return;
    head = region.querySelector("thead").getBoundingClientRect().height;
    height = row.getBoundingClientRect().height;
  }

  async function fetchPage(page) {
    if (asked.has(page)) return;
    asked.add(page);
    try {
      const { page: fresh, trouble } = await load(url(page));
      judge(trouble);
      const found = fresh?.getElementById("sessions");
      if (!found) return;
      matched = Number(found.dataset.matched);
      const line = document.getElementById("matched");
      const said = fresh.getElementById("matched");
      if (line.textContent !== said.textContent) line.replaceChildren(...document.adoptNode(said).childNodes);
      pages.delete(page);
      pages.set(page, [...found.querySelectorAll("tbody tr")].map((row) => document.adoptNode(row)));
      while (pages.size > PAGES) pages.delete(pages.keys().next().value);
      draw();
    } finally {
      asked.delete(page);
    }
  }

  function inSight(beyond) {
    if (height === 0) return [0, Math.min(size, matched)];
    const top = Math.max(region.scrollTop - head, 0);
    const from = Math.max(Math.floor(top / height) - beyond, 0);
    const to = Math.min(Math.ceil((top + region.clientHeight) / height) + beyond, matched);
    return [Math.min(from, to), to];
  }

  // The browser scrolls what is there by itself, far faster than rows are put in their place.
  function isDrawn() {
    const [from, to] = inSight(0);
    return from >= drawn[0] && to <= drawn[1];
  }

  function pagesInSight() {
    const [from, to] = inSight(BEYOND);
    const wanted = [];
    for (let page = Math.floor(from / size) + 1; page <= Math.floor(Math.max(to - 1, 0) / size) + 1; page += 1) wanted.push(page);
    return wanted;
  }

  function draw() {
    region.hidden = matched === 0;
    document.getElementById("none").hidden = matched > 0;
    const [from, to] = inSight(BEYOND);
    drawn = [from, to];
    const rows = [];
    for (let index = from; index < to; index += 1) {
      rows.push(pages.get(Math.floor(index / size) + 1)?.[index % size] ?? waiting(columns));
    }
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const [id, place] = focused ? [focused.closest("tr").dataset.id, links(focused.closest("tr")).indexOf(focused)] : [];
    above.firstChild.style.height = `${from * height}px`;
    below.firstChild.style.height = `${Math.max(matched - to, 0) * height}px`;
    body.replaceChildren(above, ...rows, below);
    region.querySelector("table").setAttribute("aria-rowcount", matched + 2);
    measure();
    if (id) links(body.querySelector(`tr[data-id="${CSS.escape(id)}"]`))[place]?.focus({ preventScroll: true });
    for (const page of pagesInSight()) if (!pages.has(page)) fetchPage(page);
  }

  let drawing = false;
  region.addEventListener("scroll", () => {
    if (drawing || isDrawn()) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      draw();
    });
  }, { passive: true });
  addEventListener("resize", draw);
  setInterval(() => {
    if (!document.hidden) pagesInSight().forEach(fetchPage);
  }, EVERY);
  measure();
  draw();
  if (first > 1) region.scrollTop = (first - 1) * size * height;
}

const links = (row) => (row ? [...row.querySelectorAll("a")] : []);

function spacer(columns) {
  const row = document.createElement("tr");
  row.className = "spacer";
  row.setAttribute("aria-hidden", "true");
  row.insertCell().colSpan = columns;
  return row;
}

function waiting(columns) {
  const row = document.createElement("tr");
  const cell = row.insertCell();
  cell.colSpan = columns;
  cell.textContent = "…";
  return row;
}
