// Set-up with the one-time token, login, and what is refused.
import { PASSWORD, USER, check, go, login, open, stage } from "./lib.mjs";

export async function run(browser) {
  const { context, page } = await open(browser);
  await go(page, "/approvals");
  check("a stranger of a new node is sent to the set-up", new URL(page.url()).pathname === "/setup");
  await go(page, "/setup?token=wrong");
  await fill(page);
  check("a wrong token makes no account", (await page.textContent("[role=alert]")).includes("not the set-up token"));
  await page.goto(stage.setup);
  await fill(page);
  await page.waitForURL(stage.url);
  check("the one-time token makes the first account and lets it in", (await page.textContent(".who")).includes(USER));
  await page.click(".who button");
  await page.waitForURL("**/login");
  await page.goto(stage.setup);
  check("the token is void after that", new URL(page.url()).pathname === "/login");
  await login(page, "not the passphrase");
  check("a wrong password is refused", (await page.locator("[role=alert]").count()) === 1 && page.url().endsWith("/login"));
  await go(page, "/incidents");
  check("and opens nothing", new URL(page.url()).pathname === "/login");
  await login(page, PASSWORD);
  await page.waitForURL(stage.url);
  check("the right one lets in", (await page.locator("nav[aria-label=Pages]").count()) === 1);
  await context.close();
}

async function fill(page) {
  await page.fill("input[name=name]", USER);
  await page.fill("input[name=password]", PASSWORD);
  await page.click("button.primary");
}
