// What an operator changes: dialogs that ask, and the API that does it.

import { soon } from "./live.js";
import { reveal } from "./parts.js";

// Why it was refused, or nothing.
async function change(method, path, body) {
  const headers = { "content-type": "application/json", "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
  if (document.body.dataset.csrf) headers["x-tern-csrf"] = document.body.dataset.csrf;
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (answer?.ok) return null;
  const told = await answer?.json().catch(() => null);
  return { status: answer?.status, text: told?.error?.text ?? "The relay cannot be reached." };
}

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
  undrain: () => change("POST", "/v1/undrain"),
  async end(form) {
    const refused = await change("DELETE", `/v1/sessions/${encodeURIComponent(form.dataset.session)}`);
    if (!refused) location.assign("/sessions");
    return refused;
  },
};

const BUTTONS = {
  why: () => change("POST", "/v1/bgp/why"),
  announce: ({ prefix }) => change("POST", "/v1/bgp/announce", { prefix }),
  withdraw: ({ prefix }) => change("POST", "/v1/bgp/withdraw", { prefix }),
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
  const result = button.closest(".buttons").querySelector(".result");
  button.disabled = true;
  const refused = await BUTTONS[button.dataset.action](button.dataset);
  button.disabled = false;
  result.textContent = refused ? refused.text : "Done.";
  soon();
}

export function begin() {
  reveal(document);
  document.addEventListener("click", async ({ target }) => {
    const button = target.closest?.("button");
    if (!button) return;
    if (button.dataset.open) {
      const dialog = document.getElementById(button.dataset.open);
      dialog.querySelector("form").reset();
      dialog.querySelector(".error").textContent = "";
      dialog.showModal();
    } else if ("close" in button.dataset) {
      button.closest("dialog").close();
    } else if (button.dataset.action) {
      await press(button);
    } else if (button.id === "log-out") {
      await change("POST", "/logout");
      location.assign("/login");
    }
  });
  for (const form of document.querySelectorAll("dialog form")) form.addEventListener("submit", submit);
}
