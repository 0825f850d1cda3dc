// Turns <time datetime> from UTC into the reader's zone, and keeps ages and countdowns moving.
// Ages are counted from the server's clock (body[data-now]), so a wrong browser clock does no harm.
const body = document.body;
const ahead = Date.parse(body.dataset.now || "") - Date.now();
const skew = Number.isFinite(ahead) ? ahead : 0;
let utc = read("time") !== "local";

export function read(name) {
  try { return localStorage.getItem("vertice." + name); } catch { return null; }
}

export function write(name, value) {
  try { localStorage.setItem("vertice." + name, value); } catch { /* private mode: not kept */ }
}

const two = (n) => String(n).padStart(2, "0");

function local(date, form) {
  const clock = two(date.getHours()) + ":" + two(date.getMinutes()) + ":" + two(date.getSeconds());
  const day = date.getFullYear() + "-" + two(date.getMonth() + 1) + "-" + two(date.getDate());
  return form === "clock" ? clock : form === "day" ? day : day + " " + clock;
}

export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + two(s % 60) + " s";
  if (s < 86400) return Math.floor(s / 3600) + " h " + two(Math.floor(s % 3600 / 60)) + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}

function age(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min";
  if (s < 86400) return Math.floor(s / 3600) + " h";
  return Math.floor(s / 86400) + " d";
}

export function paint(root = document) {
  for (const node of root.querySelectorAll("time[data-form]")) {
    const at = Date.parse(node.dateTime);
    if (Number.isNaN(at)) continue;
    const form = node.dataset.form, left = (at - Date.now() - skew) / 1000;
    if (form === "age") node.textContent = age(-left);
    else if (form === "left") node.textContent = left > 0 ? span(left) : "time is over";
    else {
      node.dataset.utc ??= node.textContent;
      node.textContent = utc ? node.dataset.utc : local(new Date(at), form);
    }
  }
}

function zone() {
  if (utc) return "UTC";
  const minutes = -new Date().getTimezoneOffset();
  const size = Math.abs(minutes);
  return "local, UTC" + (minutes < 0 ? "−" : "+") + two(Math.floor(size / 60)) + ":" + two(size % 60);
}

export function start() {
  const button = document.querySelector("[data-zone]");
  const show = () => { if (button) { button.hidden = false; button.textContent = zone(); } paint(); };
  button?.addEventListener("click", () => { utc = !utc; write("time", utc ? "utc" : "local"); show(); });
  show();
  setInterval(paint, 1000);
}
