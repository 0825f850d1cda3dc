// The console of a real node in a real browser: guide 09, section 8. Started by `cargo xtask
// browser`, which has set the stage; prints each check and ends with 1 if one failed.
import { launch, section, tally } from "./lib.mjs";
import * as door from "./door.mjs";

const browser = await launch();
try {
  await section("set-up and login", () => door.run(browser));
} finally {
  await browser.close();
}
const { passed, failed } = tally();
console.log(`browser: ${passed} checks passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
