// The console of a real node in a real browser: guide 09, section 8. Started by `cargo xtask
// browser`, which has set the stage; prints each check and ends with 1 if one failed.
import { launch, section, session, tally } from "./lib.mjs";
import * as approve from "./approve.mjs";
import * as door from "./door.mjs";
import * as pages from "./pages.mjs";

const browser = await launch();
try {
  await section("set-up and login", () => door.run(browser));
  const state = await session(browser);
  await section("pages of an empty node", () => pages.run(browser, state, "empty"));
  await section("approved and undone by keyboard", () => approve.byKeyboard(browser, state));
  await section("the same with scripts off", () => approve.withoutScripts(browser, state));
  await section("denied", () => approve.denied(browser, state));
  await section("stale", () => approve.stale(browser, state));
  await section("hostile names", () => pages.hostile(browser, state));
  await section("live", () => pages.live(browser, state));
  await section("pages of a busy node", () => pages.run(browser, state, "busy"));
  await section("doors, help, narrow, weight", () => pages.rest(browser, state));
} finally {
  await browser.close();
}
const { passed, failed } = tally();
console.log(`browser: ${passed} checks passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
