// Every page, both themes, two sizes: nothing goes wrong, nothing comes from elsewhere, and axe
// finds nothing. Given a folder as second argument, the script leaves a picture of each there.
import { AXE, attack, check, go, open, stage, until } from "./lib.mjs";
import { mkdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"];
const SIZES = [{ width: 1366, height: 768 }, { width: 1920, height: 1080 }];
const NONSENSE = /\bNaN\b|\bundefined\b|Invalid Date|\bnull\b/;
const KIB = 1024;
const SHOTS = process.argv[3];

/// Paths by name; details are taken from what the node holds.
async function paths(page) {
  const ask = async (path) => (await page.request.get(new URL("/api/v1/" + path, stage.url).href)).json();
  const [waiting] = (await ask("approvals")).waiting;
  const [incident] = (await ask("incidents")).incidents;
  const found = { overview: "/", approvals: "/approvals", incidents: "/incidents", health: "/health", accounts: "/accounts" };
  if (waiting) found.approval = "/approvals/" + waiting.id;
  if (incident) found.incident = "/incidents/" + incident.id;
  return found;
}

async function axe(page) {
  // The test tool comes through the debugger's door: the page's own policy stays as it is.
  const source = readFileSync(AXE, "utf8");
  const client = await page.context().newCDPSession(page);
  await client.send("Runtime.evaluate", { expression: source });
  const run = `axe.run(document, { runOnly: ${JSON.stringify(TAGS)} }).then((told) =>
    told.violations.map((found) => found.id + " at " + found.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")))`;
  const { result } = await client.send("Runtime.evaluate", { expression: run, awaitPromise: true, returnByValue: true });
  await client.detach();
  return result.value ?? ["axe did not run: " + JSON.stringify(result)];
}

/// Does the page scroll sideways?
const wide = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

export async function run(browser, state, label) {
  const sum = { visits: 0, bad: [], axe: [], nonsense: [], wide: [] };
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of SIZES) {
      const { context, page, bad } = await open(browser, { storageState: state, colorScheme, viewport });
      for (const [name, path] of Object.entries(await paths(page))) {
        await go(page, path);
        await page.locator("[data-dot][data-state=live]").waitFor();
        const where = `${name} ${colorScheme} ${viewport.width}`;
        sum.visits += 1;
        if (await wide(page)) sum.wide.push(where);
        const text = await page.innerText("body");
        if (NONSENSE.test(text)) sum.nonsense.push(where + " " + text.match(NONSENSE)[0]);
        for (const found of await axe(page)) sum.axe.push(where + ": " + found);
        if (SHOTS) await shoot(page, `${label}-${name}-${colorScheme}-${viewport.width}`);
      }
      sum.bad.push(...bad.map((line) => `${colorScheme} ${viewport.width} ${line}`));
      await context.close();
    }
  }
  const told = (list) => list.slice(0, 6).join("; ");
  check(`${sum.visits} visits: 0 console errors, failed or foreign requests, policy violations`, sum.bad.length === 0, told(sum.bad));
  check(`${sum.visits} visits: axe finds nothing (${TAGS.join(" ")})`, sum.axe.length === 0, told(sum.axe));
  check("no page scrolls sideways", sum.wide.length === 0, told(sum.wide));
  check("no page says NaN, undefined, Invalid Date or null", sum.nonsense.length === 0, told(sum.nonsense));
}

async function shoot(page, name) {
  mkdirSync(SHOTS, { recursive: true });
  await page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage: name.includes("incident-") });
}

/// The doors and the help, which no visit above opens; 320 px; what the pages weigh.
export async function rest(browser, state) {
  const faults = [];
  for (const colorScheme of ["light", "dark"]) {
    const stranger = await open(browser, { colorScheme });
    await go(stranger.page, "/login");
    faults.push(...(await axe(stranger.page)).map((found) => "login " + found));
    await stranger.context.close();
    const { context, page } = await open(browser, { storageState: state, colorScheme });
    await go(page, "/");
    await page.keyboard.press("?");
    await page.locator("dialog[open]").waitFor();
    faults.push(...(await axe(page)).map((found) => "help " + found));
    await context.close();
  }
  check("login and help: axe finds nothing", faults.length === 0, faults.join("; "));
  const narrow = await open(browser, { storageState: state, viewport: { width: 320, height: 640 } });
  const wider = [];
  for (const [name, path] of Object.entries(await paths(narrow.page))) {
    await go(narrow.page, path);
    if (await wide(narrow.page)) wider.push(name);
  }
  check("at 320 px no page scrolls sideways", wider.length === 0, wider.join(", "));
  await narrow.context.close();
  await weight(browser, state);
}

async function weight(browser, state) {
  const { context, page } = await open(browser, { storageState: state });
  const bytes = { html: 0, js: 0, css: 0 };
  let requests = 0;
  const reading = [];
  const weigh = async (response) => {
    const kind = { document: "html", script: "js", stylesheet: "css" }[response.request().resourceType()];
    if (!kind) return;
    const body = await response.body();
    bytes[kind] += gzipSync(body, { level: 9 }).length;
  };
  page.on("response", (response) => {
    requests += 1;
    reading.push(weigh(response));
  });
  await go(page, (await paths(page)).incident ?? "/");
  await page.locator("[data-dot][data-state=live]").waitFor();
  await Promise.all(reading);
  const kib = (kind) => (bytes[kind] / KIB).toFixed(1) + " KiB";
  check("weight, gzip: scripts at most 20 KiB", bytes.js > 0 && bytes.js <= 20 * KIB, kib("js"));
  check("weight, gzip: style at most 15 KiB", bytes.css > 0 && bytes.css <= 15 * KIB, kib("css"));
  check("weight, gzip: a page at most 60 KiB", bytes.html > 0 && bytes.html <= 60 * KIB, kib("html"));
  check("at most 20 requests", requests <= 20, String(requests));
  await context.close();
}

/// Names that want to be more than text.
const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "\u001b[31mred\u001b[0m",
  "\u202egnp.exe",
  "</svg><script>alert(2)</script>",
  "{{7*7}}",
  "\"><iframe srcdoc=x>",
];

export async function hostile(browser, state) {
  const { context, page, bad } = await open(browser, { storageState: state });
  const address = "203.0.113.11";
  attack(address, { count: 18, user: (number) => "invalid user " + HOSTILE[number % HOSTILE.length] });
  const listed = async () => {
    const answer = await page.request.get(new URL("/api/v1/incidents", stage.url).href);
    return (await answer.json()).incidents.find((incident) => incident.title.includes(address));
  };
  const incident = await until(listed);
  await go(page, "/incidents/" + incident.id);
  for (const row of await page.locator("details > summary").all()) await row.click();
  const text = await page.innerText("main");
  const shown = text.includes("<img src=x onerror=") && text.includes("␛[31m") && text.includes("⟦U+202E⟧");
  check("hostile names stand on the page as text, with control characters made visible", shown, shown ? "" : text.slice(0, 900));
  check("no raw escape or bidi character is on the page", !/[\u001b\u202a-\u202e\u2066-\u2069]/.test(await page.content()));
  const made = await page.evaluate(() => document.querySelectorAll("img, iframe, main script").length);
  check("and became no element, no dialog, no script", made === 0 && bad.length === 0, bad.join("; "));
  check("the layout keeps its width", !(await wide(page)));
  await context.close();
}

/// A page that is open hears of a new incident by itself.
export async function live(browser, state) {
  const { context, page, bad } = await open(browser, { storageState: state });
  await go(page, "/incidents");
  await page.locator("[data-dot][data-state=live]").waitFor();
  await page.evaluate(() => { window.untouched = true; });
  attack("203.0.113.12");
  await page.locator("main >> text=203.0.113.12").first().waitFor({ timeout: 20_000 });
  check("a new incident appears on an open page", true);
  check("without a reload", await page.evaluate(() => window.untouched === true));
  check("and nothing went wrong", bad.length === 0, bad.join("; "));
  await context.close();
}
