// Arm and confirm: a key arms a decision, Enter within five seconds sends it. Copies commands.
const ARMED_MS = 5000;
let timer = 0;

export function disarm() {
  clearTimeout(timer);
  for (const button of document.querySelectorAll("[data-armed]")) {
    button.removeAttribute("data-armed");
    button.querySelector("[data-word]").textContent = button.dataset.word;
    say("");
  }
}

export function arm(name) {
  const button = document.querySelector('[data-decide="' + name + '"]');
  if (!button || button.disabled) return false;
  disarm();
  const word = button.querySelector("[data-word]");
  button.dataset.word = word.textContent;
  button.setAttribute("data-armed", "");
  word.textContent = "Enter to confirm";
  say(button.dataset.word + ": press Enter within five seconds to confirm, Escape to leave it.");
  button.focus({ preventScroll: true });
  timer = setTimeout(disarm, ARMED_MS);
  return true;
}

function say(text) {
  const node = document.querySelector("[data-say]");
  if (node) node.textContent = text;
}

export async function copy(text) {
  try { await navigator.clipboard.writeText(text); say("copied: " + text); return true; } catch { return false; }
}

export function start() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const plain = button.textContent;
    if (await copy(button.dataset.copy)) {
      button.textContent = "copied";
      setTimeout(() => { button.textContent = plain; }, 1500);
    }
  });
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
  });
  // A page that comes back out of the browser's memory may be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  });
}
