// Starts the modules. Everything on the page also works without them, except live updates.
import { start as time } from "./time.js";
import { start as decide } from "./decide.js";
import { start as keys } from "./keys.js";
import { start as live } from "./live.js";

for (const start of [time, decide, keys, live]) start();
