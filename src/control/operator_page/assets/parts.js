// Loads the view again and puts what has changed in place of what was there. The server alone writes HTML.

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

// The page at `url`; nothing if it cannot be had. Whoever is logged out is shown where to log in.
export async function load(url, signal) {
  const answer = await fetch(url, { signal, headers: { accept: "text/html" } }).catch(() => null);
  if (answer?.redirected && new URL(answer.url).pathname === "/login") location.assign("/login");
  if (!answer?.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

let running = false;

export async function refresh() {
  if (running || document.hidden) return;
  running = true;
  try {
    const page = await load(location.href);
    if (!page) return;
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
