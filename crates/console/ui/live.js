// Live updates: the stream says what changed, the page fetches the fragment. One tab holds the
// stream (Web Locks) and tells the others; without it each tab connects; without SSE it polls.
import { swap } from "./swap.js";

const POLL_MS = 5000;
const channel = "BroadcastChannel" in window ? new BroadcastChannel("vertice") : null;
let since = document.body.dataset.since || "";
let dot = null;

function state(name) {
  if (!dot) return;
  if (name === dot.dataset.state) return;
  dot.dataset.state = name;
  const clock = new Date().toISOString().slice(11, 19);
  dot.textContent = name === "live" ? "live" : "stale since " + clock + " UTC";
}

function changed(topic) {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (topic === "*" || region.dataset.live.split(" ").includes(topic)) swap(region);
  }
}

function heard(message, own) {
  if (message.id) since = message.id;
  if (message.state) state(message.state);
  if (message.topic) changed(message.topic);
  if (own) channel?.postMessage(message);
}

function connect() {
  return new Promise((done) => {
    const source = new EventSource("/api/events/stream?since=" + encodeURIComponent(since));
    source.addEventListener("hello", () => heard({ state: "live" }, true));
    source.addEventListener("changed", (event) => {
      heard({ topic: JSON.parse(event.data).topic, id: event.lastEventId, state: "live" }, true);
    });
    source.addEventListener("error", () => {
      heard({ state: "stale" }, true);
      if (source.readyState === EventSource.CLOSED) done();
    });
  });
}

async function hold() {
  for (;;) {
    await connect();
    changed("*");
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

export function start() {
  dot = document.querySelector("[data-dot]");
  if (!dot || !("EventSource" in window)) return;
  if (channel) channel.onmessage = (event) => heard(event.data, false);
  if (channel && navigator.locks) {
    navigator.locks.request("vertice-stream", hold);
    setTimeout(() => { if (dot.dataset.state === "off") state("live"); }, 1500);
  } else hold();
}
