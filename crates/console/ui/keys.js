// The key table. Single letters are off inside inputs and can be switched off (WCAG 2.1.4).
import { read, write } from "./time.js";
import { showLate } from "./swap.js";
import { arm, copy, disarm } from "./decide.js";

const GO = { o: "/", a: "/approvals", i: "/incidents", h: "/health" };
let going = 0;

const rows = () => [...document.querySelectorAll("main [data-row]")].filter((row) => row.offsetParent);

function move(step) {
  const all = rows();
  const here = document.activeElement?.closest?.("[data-row]") || document.querySelector("main [data-row][aria-current]");
  const at = all.indexOf(here);
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step];
  if (!next) return;
  next.focus();
  // In a queue the review beside it follows, so that what a key decides is what is on screen.
  if (next.hasAttribute("data-follow") && !next.hasAttribute("aria-current")) location.assign(next.href);
}

// A decision is armed only for what is opened: on another row the key opens that row first.
function decide(name) {
  const row = document.activeElement?.closest?.("[data-follow]");
  if (row && !row.hasAttribute("aria-current")) location.assign(row.href);
  else arm(name);
}

const help = () => document.querySelector("dialog[data-help]");

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  a: () => decide("approve"),
  d: () => decide("deny"),
  u: () => arm("undo"),
  ".": showLate,
  t: () => document.querySelector("[data-zone]")?.click(),
  c: () => { const node = document.querySelector("[data-copy]"); if (node) copy(node.dataset.copy); },
  y: () => copy(location.href),
  "?": () => help()?.showModal(),
};

function typed(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { disarm(); if (!document.querySelector("dialog[open]")) back(target); return; }
  if (target.matches?.("input, textarea, select") || document.querySelector("dialog[open]")) return;
  if (read("keys") === "off") return;
  if (going && Date.now() - going < 1500) {
    going = 0;
    if (GO[event.key]) { event.preventDefault(); location.assign(GO[event.key]); }
    return;
  }
  if (event.key === "g") { going = Date.now(); return; }
  const act = KEYS[event.key];
  if (act) { event.preventDefault(); act(); }
}

function back(target) {
  if (target.matches?.("input")) { target.blur(); return; }
  const up = document.querySelector("[data-up]");
  if (up) location.assign(up.href);
}

export function start() {
  document.addEventListener("keydown", typed);
  const box = document.querySelector("[data-keys-off]");
  if (box) {
    box.checked = read("keys") === "off";
    box.addEventListener("change", () => write("keys", box.checked ? "off" : "on"));
  }
  for (const button of document.querySelectorAll("[data-open-help]")) {
    button.hidden = false;
    button.addEventListener("click", () => help()?.showModal());
  }
}
