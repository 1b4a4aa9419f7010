// What an operator changes: dialogs that ask, and the API that does it.

import { soon } from "./live.js";
import { reveal } from "./parts.js";

const caller = document.body.dataset;

async function ask(method, path, key, body) {
  const headers = { "content-type": "application/json", "idempotency-key": key };
  if (caller.csrf) headers["x-tern-csrf"] = caller.csrf;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (answer?.ok) return null;
  const told = await answer?.json().catch(() => null);
  const { code, text = answer ? `The relay answers with ${answer.status}.` : "The relay cannot be reached." } = told?.error ?? {};
  return { status: answer?.status, code, text };
}

// Who logs in anew, in this tab or another, gets another secret for his changes; this page may have the last one.
async function learnSecret() {
  const answer = await fetch("/v1/me").catch(() => null);
  const me = answer?.ok ? await answer.json() : null;
  if (!me?.csrf || me.who !== caller.who || me.role !== caller.role) return false;
  caller.csrf = me.csrf;
  return true;
}

// Why it was refused, or nothing.
async function change(method, path, body) {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  let refused = await ask(method, path, key, body);
  if (refused?.code === "forged" && (await learnSecret())) refused = await ask(method, path, key, body);
  if (refused?.code === "forged") refused.text = "Somebody else has logged in with this browser. Load the page again.";
  if (refused?.status === 401) location.reload();
  return refused;
}

// What came of a change, where no part of the page is put in its place.
const tell = (text) => {
  document.getElementById("result").textContent = text;
};

const DIALOGS = {
  async drain(form) {
    if (form.elements.name.value.trim() !== document.body.dataset.relay) {
      form.elements.name.setAttribute("aria-invalid", "true");
      return { text: "That is not the name of this relay." };
    }
    form.elements.name.removeAttribute("aria-invalid");
    const refused = await change("POST", "/v1/drain", {
      deadline_seconds: Number(form.elements.deadline.value) * 60,
      min_sessions: Number(form.elements.left.value),
      name: form.elements.name.value.trim(),
      force: form.elements.force.checked,
    });
    if (refused?.status === 409) document.getElementById("drain-force-label").hidden = false;
    return refused;
  },
  async withdraw(form) {
    const { prefix } = form.dataset;
    const refused = await change("POST", "/v1/bgp/withdraw", { prefix });
    if (!refused) tell(`${prefix} is withdrawn until somebody announces it again.`);
    return refused;
  },
  undrain: () => change("POST", "/v1/undrain"),
  async end(form) {
    const refused = await change("DELETE", `/v1/sessions/${encodeURIComponent(form.dataset.session)}`);
    if (!refused) location.assign("/sessions");
    return refused;
  },
};

// What a button does, and what is told when that was done.
const BUTTONS = {
  why: [() => change("POST", "/v1/bgp/why"), () => "All checks have been run."],
  announce: [
    ({ prefix }) => change("POST", "/v1/bgp/announce", { prefix }),
    ({ prefix }) => `${prefix} is announced again where its rules allow it.`,
  ],
};

async function submit(event) {
  const form = event.target;
  event.preventDefault();
  const [error, button] = [form.querySelector(".error"), form.querySelector("[type=submit]")];
  error.textContent = "";
  button.disabled = true;
  const refused = await DIALOGS[form.dataset.action](form);
  button.disabled = false;
  if (refused) {
    error.textContent = refused.text;
    return;
  }
  form.closest("dialog").close();
  soon();
}

async function press(button) {
  const [act, done] = BUTTONS[button.dataset.action];
  button.disabled = true;
  const refused = await act(button.dataset);
  button.disabled = false;
  tell(refused ? refused.text : done(button.dataset));
  soon();
}

// A dialog asks about what its button stands beside.
function open({ dataset }) {
  const dialog = document.getElementById(dataset.open);
  const form = dialog.querySelector("form");
  form.reset();
  dialog.querySelector(".error").textContent = "";
  if (dataset.prefix) {
    form.dataset.prefix = dataset.prefix;
    for (const place of dialog.querySelectorAll("[data-fill]")) place.textContent = dataset.prefix;
  }
  tell("");
  dialog.showModal();
}

async function logOut() {
  const refused = await change("POST", "/logout");
  if (refused) tell(`You are still logged in. ${refused.text}`);
  else location.assign("/login");
}

export function begin() {
  reveal(document);
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("button");
    if (!button) return;
    if (button.dataset.open) {
      open(button);
    } else if ("close" in button.dataset) {
      button.closest("dialog").close();
    } else if (button.dataset.action) {
      await press(button);
    } else if (button.id === "log-out") {
      await logOut();
    }
  });
  for (const form of document.querySelectorAll("dialog form")) form.addEventListener("submit", submit);
}
