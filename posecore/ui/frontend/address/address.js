// Keeps the browser's Back for pages.

import { Entries } from "./entries.js";

const entries = new Entries(window.history, window.location);
window.history.pushState = (state, unused, url) => entries.write(state, unused, url);
for (const gesture of ["click", "keydown"]) window.addEventListener(gesture, () => entries.notice(), true);

export default function () {}
