// What all checks share: the stage that xtask has set, a browser that watches itself, printed
// checks, bounded waits, and the world outside the browser (packet filter, connections, log).
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

export const stage = JSON.parse(process.argv[2]);
const load = createRequire(stage.tools + "/package.json");
const { chromium } = load("playwright-core");
export const AXE = load.resolve("axe-core/axe.min.js");
export const USER = "ana";
export const PASSWORD = "a browser's passphrase";
/// How long the world may take to become as a check expects it.
const PATIENCE_MS = 20_000;
const STEP_MS = 100;

const counts = { passed: 0, failed: 0 };

/// One printed line; a failure is remembered for the exit code.
export function check(name, holds, detail = "") {
  counts[holds ? "passed" : "failed"] += 1;
  console.log((holds ? "  ok    " : "  FAIL  ") + name + (detail ? ": " + detail : ""));
  return holds;
}

export const tally = () => counts;

/// Runs checks under a heading; an exception fails the section and the others go on.
export async function section(name, run) {
  console.log(name);
  try {
    await run();
  } catch (error) {
    check(name, false, String(error?.stack ?? error).split("\n").slice(0, 4).join(" | "));
  }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/// Waits until `probe` gives something true; the last value if it never does.
export async function until(probe) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await probe();
    if (value || Date.now() > end) return value;
    await pause(STEP_MS);
  }
}

/// Chromium, ended by `close`.
export const launch = () => chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});

/// A page of its own session that writes down everything that should not happen on it.
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, ...options });
  const bad = [];
  const own = new URL(stage.url).origin;
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error("CSP " + event.violatedDirective + " " + event.blockedURI);
    });
  });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) bad.push("console: " + message.text());
  });
  page.on("pageerror", (error) => bad.push("script: " + error.message));
  page.on("dialog", (dialog) => { bad.push("dialog: " + dialog.message()); dialog.dismiss(); });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== own && url.protocol !== "data:") bad.push("foreign request: " + request.url());
  });
  page.on("requestfailed", (request) => {
    // A page that is left takes its stream and its half-fetched fragments along.
    const why = request.failure()?.errorText ?? "";
    if (why !== "net::ERR_ABORTED") bad.push("failed: " + request.url() + " " + why);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) bad.push("status " + response.status() + ": " + response.url());
  });
  return { context, page, bad };
}

/// Goes to a page of the console.
export const go = (page, path) => page.goto(new URL(path, stage.url).href);

export async function login(page, password = PASSWORD) {
  await go(page, "/login");
  await page.fill("input[name=name]", USER);
  await page.fill("input[name=password]", password);
  await page.click("button.primary");
}

/// A session's cookie, for contexts that need not log in again.
export async function session(browser) {
  const { context, page } = await open(browser);
  await login(page);
  await page.waitForURL(stage.url);
  const state = await context.storageState();
  await context.close();
  return state;
}

/// Lines as sshd writes them: `count` failures of `user` from `address`.
export function attack(address, { count = 12, user = "root", accepted = false } = {}) {
  const stamp = () => new Date().toISOString().replace("Z", "000+00:00");
  let text = "";
  for (let number = 0; number < count; number += 1) {
    const name = typeof user === "function" ? user(number) : user;
    text += `${stamp()} web01 sshd[${4000 + number}]: Failed password for ${name} from ${address} port ${40000 + number} ssh2\n`;
  }
  if (accepted) text += `${stamp()} web01 sshd[4999]: Accepted password for ${user} from ${address} port 49999 ssh2\n`;
  appendFileSync(stage.log, text);
}

/// The members of a set of the node's table, as the kernel tells them.
export function members() {
  const inside = ["netns", "exec", stage.victim, "nft", "-j", "list", "table", "inet", "vertice"];
  let told;
  try { told = JSON.parse(execFileSync("ip", inside, { stdio: ["ignore", "pipe", "ignore"] })); } catch { return []; }
  const sets = told.nftables.filter((part) => part.set?.elem);
  return sets.flatMap(({ set }) => set.elem.map((elem) => ({ set: set.name, address: elem.elem?.val ?? elem })));
}

/// Is an address in the set that drops packets?
export const blocked = (address) =>
  members().some((member) => member.address === address && member.set.startsWith("block"));

/// A host outside that connects from `address` when asked: "connect", "hold", "talk".
export function outsider(address) {
  const words = ["netns", "exec", stage.outside, stage.binary, "demo-host", "--connect", stage.service, "--from", address];
  const child = spawn("ip", words, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(word) {
      child.stdin.write(word + "\n");
      return (await lines.next()).value;
    },
    end() { child.stdin.end(); },
  };
}

/// A verb of the product, as JSON lines or text.
export const verb = (...words) =>
  execFileSync(stage.binary, ["--config", stage.config, ...words], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/// The waits of one address, from the console's own interface.
export async function waits(page, address) {
  const answer = await page.request.get(new URL("/api/v1/approvals", stage.url).href);
  const list = (await answer.json()).waiting;
  return list.filter((wait) => wait.sentence.split(/[\s,]+/).includes(address));
}

/// Waits until a block of `address` waits for a person.
export const blockWait = (page, address) =>
  until(async () => (await waits(page, address)).find((wait) => /^block/i.test(wait.sentence)));

/// The text of the node's journal as it stands on disk.
export function journal() {
  const files = readdirSync(stage.state).filter((name) => /\.(db|sqlite3?)(-wal)?$/.test(name));
  return files.map((name) => readFileSync(stage.state + "/" + name, "latin1")).join("\n");
}
