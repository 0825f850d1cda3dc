// A decision from the first key to the last packet: approved and undone by keyboard, then with
// scripts switched off; denied; and refused where the plan changed after it was shown.
import { attack, blockWait, blocked, check, go, members, open, outsider, until, verb, waits, USER, journal } from "./lib.mjs";

const reaches = (host, word, wanted) => until(async () => (await host.ask(word)) === wanted);

/// An attack whose block waits for a person; what waits before it is approved on the way.
async function waiting(page, address) {
  attack(address, { count: 12, accepted: true });
  return blockWait(page, address);
}

export async function byKeyboard(browser, state) {
  const { context, page, bad } = await open(browser, { storageState: state });
  const address = "203.0.113.7";
  const host = outsider(address);
  check("before: the attacker gets through", (await host.ask("hold")) === "open");
  const wait = await waiting(page, address);
  check("mode ask: the block waits and nothing is done", Boolean(wait) && members().length === 0, wait?.sentence);
  await go(page, "/");
  await page.keyboard.type("ga");
  await page.waitForURL("**/approvals");
  await moveTo(page, wait.id);
  const hash = await page.inputValue("form[action$='/approve'] input[name=plan_hash]");
  await page.keyboard.press("a");
  check("a arms the decision", (await page.textContent("[data-armed]")).includes("Enter to confirm"));
  await page.keyboard.press("Enter");
  await page.waitForURL("**/approvals/" + wait.id + "?ticket=*");
  check("g a, j, a, enter: the set of the kernel holds the address", await until(() => blocked(address)), JSON.stringify(members()));
  check("the attacker's open connection is cut", await reaches(host, "talk", "cut"));
  check("and a new one does not come through", (await host.ask("connect")) === "cut");
  const undo = page.locator("[data-decide=undo]");
  await undo.waitFor();
  check("the page says what was read back", (await page.textContent(".outcome")).includes("read back"));
  await page.keyboard.press("u");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/incidents/*");
  check("u, enter: the address is gone from the set", await until(() => !blocked(address)), JSON.stringify(members()));
  check("and the attacker gets through again", await reaches(host, "connect", "open"));
  host.end();
  audited(wait, hash);
  check("nothing went wrong on these pages", bad.length === 0, bad.join("; "));
  await context.close();
}

/// `j` until the review beside the queue is the wanted one.
async function moveTo(page, id) {
  for (let step = 0; step < 20; step += 1) {
    if ((await page.getAttribute(".queue [aria-current]", "data-key")) === id) return;
    const from = page.url();
    await page.keyboard.press("j");
    await page.waitForURL((url) => url.href !== from, { timeout: 5000 }).catch(() => {});
    await page.waitForLoadState();
  }
}

/// The chain holds who approved and who undid, under the hash of the plan that was shown.
function audited(wait, hash) {
  const decided = journal().match(/\{"entry":"decided".{0,900}/g) ?? [];
  const ours = decided.filter((line) => line.includes(`"who":"console:${USER}"`));
  const yes = ours.some((line) => line.includes('"wish":"approve"') && line.includes(wait.id) && line.includes(hash));
  check("the audit log holds who approved, and the hash of the plan", yes, hash);
  check("and who undid it", ours.some((line) => line.includes('"wish":"undo"')));
  const told = JSON.parse(verb("audit", "verify", "--json"));
  check("and its chain is whole", told.intact === true, told.says);
}

export async function withoutScripts(browser, state) {
  const { context, page, bad } = await open(browser, { storageState: state, javaScriptEnabled: false });
  const address = "203.0.113.8";
  const wait = await waiting(page, address);
  await go(page, "/");
  await page.click("nav >> text=Approvals");
  await page.click(`.queue a[data-key="${wait.id}"]`);
  await page.click("form[action$='/approve'] button");
  check("scripts off: approving blocks the address", await until(() => blocked(address)));
  await page.waitForLoadState();
  await go(page, "/approvals/" + wait.id);
  await page.click("form[action$='/undo'] button");
  check("scripts off: undoing lets it go", await until(() => !blocked(address)));
  for (const path of ["/", "/incidents", "/incidents?state=open", "/incidents/" + wait.incident, "/health", "/accounts"]) {
    const answer = await go(page, path);
    if (answer.status() !== 200) check("scripts off: " + path, false, String(answer.status()));
  }
  check("scripts off: every page reads", bad.length === 0, bad.join("; "));
  await context.close();
}

export async function denied(browser, state) {
  const { context, page } = await open(browser, { storageState: state });
  const address = "203.0.113.9";
  const wait = await waiting(page, address);
  await go(page, "/approvals/" + wait.id);
  await page.fill("input[name=reason]", "a test of ours");
  await page.click("[data-decide=deny]");
  await page.waitForURL("**ticket=*");
  check("deny: the page says so", (await page.textContent(".decide")).includes("denied"));
  check("deny: nothing was applied", !members().some((member) => member.address === address));
  const host = outsider(address);
  check("deny: the connection works on", (await host.ask("connect")) === "open");
  host.end();
  await context.close();
}

/// The plan changes after it was shown: the attacker gets in, and the playbook wants more.
export async function stale(browser, state) {
  const old = await open(browser, { storageState: state, javaScriptEnabled: false });
  const { context, page } = await open(browser, { storageState: state });
  const address = "203.0.113.10";
  attack(address);
  const wait = await until(async () => (await waits(page, address))[0]);
  await go(old.page, "/approvals/" + wait.id);
  await go(page, "/approvals/" + wait.id);
  await page.locator("[data-dot][data-state=live]").waitFor();
  const approve = page.locator("[data-decide=approve]");
  check("the step can be approved as it is shown", (await approve.count()) === 1, wait.sentence);
  attack(address, { count: 12, accepted: true });
  await page.locator(".decide >> text=The plan changed after it was shown").waitFor();
  check("the plan changed: the open page takes its buttons away and says so", (await approve.count()) === 0);
  const [answer] = await Promise.all([
    old.page.waitForResponse((response) => response.request().method() === "POST"),
    old.page.click("form[action$='/approve'] button"),
  ]);
  await old.page.waitForLoadState();
  check("a yes to the plan that was shown before is refused", answer.status() === 409, String(answer.status()));
  check("with the word stale", (await old.page.textContent("main [role=status]")).includes("Stale"));
  check("and nothing was applied", !members().some((member) => member.address === address));
  await page.click(".decide a");
  await approve.waitFor();
  check("the new plan is one click away and can be decided", (await approve.count()) === 1);
  await context.close();
  await old.context.close();
}
