// Loads the view again and puts what has changed in place of what was there. The server alone writes HTML.

// Milliseconds that a page may take.
const LIMIT = 10_000;

// Keeps what somebody has opened and where the focus is.
function replace(old, fresh) {
  for (const details of old.querySelectorAll("details[open][id]")) {
    fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  const place = focused ? [...old.querySelectorAll("a, button, summary")].indexOf(focused) : -1;
  reveal(fresh);
  const scrolled = old.querySelector(".scroll")?.scrollLeft;
  old.replaceWith(fresh);
  if (scrolled) fresh.querySelector(".scroll")?.scrollTo({ left: scrolled });
  if (place >= 0) [...fresh.querySelectorAll("a, button, summary")][place]?.focus({ preventScroll: true });
}

// Buttons do nothing without scripts, so they are hidden until one runs.
export function reveal(root) {
  for (const button of root.querySelectorAll("button[data-open], button[data-action], #log-out")) button.hidden = false;
}

// The page at `url`, and what keeps it from showing what it should, if anything does. Whoever is logged out is shown
// where to log in.
export async function load(url) {
  const wanted = { headers: { accept: "text/html" }, signal: AbortSignal.timeout(LIMIT) };
  const answer = await fetch(url, wanted).catch(() => null);
  const text = await answer?.text().catch(() => null);
  if (typeof text !== "string") return { page: null, trouble: "The relay cannot be reached." };
  if (answer.redirected && new URL(answer.url).pathname === "/login") location.assign(answer.url);
  const page = new DOMParser().parseFromString(text, "text/html");
  const said = page.getElementById("trouble")?.textContent;
  return { page, trouble: said ?? (answer.ok ? null : `The relay answers with ${answer.status}.`) };
}

const clock = () => new Date().toISOString().slice(11, 19);
let good = clock();

// Whether this view shows what was, because it cannot be had any more.
export const isOld = () => document.getElementById("old")?.hidden === false;

// Says what keeps the view from being current, or that nothing does. What is shown stays: it is the last that was known.
export function judge(trouble) {
  const [old, opened] = [document.getElementById("old"), document.getElementById("trouble")];
  if (!trouble) good = clock();
  if (opened) {
    opened.textContent = trouble ?? opened.textContent;
    return;
  }
  const text = trouble ? `${trouble} What is shown is of ${good}.` : "";
  if (old.textContent !== text) old.textContent = text;
  old.hidden = !trouble;
}

// Which parts a page has: another view of the same is not a matter of parts.
const shape = (page) => [...page.querySelectorAll("[data-part]")].map(({ id }) => id).join(" ");

// Nobody loses what he is about to say.
const isTyping = () => document.querySelector("dialog[open]") || document.activeElement?.closest("main form");

let running = false;

export async function refresh() {
  if (running || document.hidden) return;
  running = true;
  try {
    const { page, trouble } = await load(location.href);
    judge(trouble);
    if (trouble) return;
    if (shape(page) !== shape(document)) {
      if (!isTyping()) location.reload();
      return;
    }
    for (const old of document.querySelectorAll("[data-part]")) {
      const fresh = page.getElementById(old.id);
      if (!fresh) continue;
      const adopted = document.adoptNode(fresh);
      if (differs(old, adopted)) replace(old, adopted);
    }
  } finally {
    running = false;
  }
}

// Compares what the server wrote, not what the script has done to it.
const written = new WeakMap();
function differs(old, fresh) {
  const text = fresh.innerHTML;
  const same = written.get(old) === text;
  written.set(same ? old : fresh, text);
  return !same;
}
