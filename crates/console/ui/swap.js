// The only place that parses HTML: fetches a fragment of our own server and puts it in place.
// Focus (by data-key) and scroll survive; what is being decided is never pulled away.
import { paint } from "./time.js";

const policy = window.trustedTypes?.createPolicy("vertice", { createHTML: (text) => text });
const busy = new WeakMap();

const held = (region) => region.querySelector("[data-armed], input:focus, button:focus") && region.hasAttribute("data-hold");

export async function swap(region, force) {
  if (held(region) && !force) { late(region, "changed, press . to show"); return; }
  busy.get(region)?.abort();
  const abort = new AbortController();
  busy.set(region, abort);
  try {
    const answer = await fetch(region.dataset.fragment, { signal: abort.signal, credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error(String(answer.status));
    place(region, await answer.text());
  } catch (error) {
    if (error.name !== "AbortError") late(region, "could not be refreshed");
  }
}

function place(region, text) {
  const page = new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  const key = region.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const scroll = [...region.querySelectorAll("[data-scroll]")].map((node) => node.scrollTop);
  const open = [...region.querySelectorAll("details[open][data-key]")].map((node) => node.dataset.key);
  region.replaceChildren(...page.body.childNodes);
  delete region.dataset.late;
  region.querySelectorAll("[data-scroll]").forEach((node, index) => { node.scrollTop = scroll[index] || 0; });
  for (const node of region.querySelectorAll("details[data-key]")) node.open ||= open.includes(node.dataset.key);
  if (key) region.querySelector('[data-key="' + CSS.escape(key) + '"]')?.focus({ preventScroll: true });
  paint(region);
}

function late(region, why) {
  region.dataset.late = why;
  const note = document.querySelector("[data-late-note]");
  if (note) note.textContent = why;
}

export function showLate() {
  for (const region of document.querySelectorAll("[data-late]")) swap(region, true);
  const note = document.querySelector("[data-late-note]");
  if (note) note.textContent = "";
}
