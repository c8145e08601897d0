// The browser's history: an entry for every visit to a page, with what was chosen there last.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Entries } from "../../posecore/ui/frontend/address/entries.js";

/** A history as browsers keep it, of one who arrives at `address`. @param {string} address */
function visit(address) {
  const location = { href: "", pathname: "" };
  /** @type {string[]} */
  const list = [];
  /** @param {string | URL | null | undefined} url */
  const go = (url) => {
    const { href, pathname } = new URL(url ?? "", location.href || "http://app/");
    Object.assign(location, { href, pathname });
    return href.replace("http://app", "");
  };
  const history = {
    state: null,
    /** @type {History["pushState"]} */
    pushState: (_state, _unused, url) => void list.push(go(url)),
    /** @type {History["replaceState"]} */
    replaceState: (_state, _unused, url) => {
      list[list.length - 1] = go(url);
    },
  };
  history.pushState(null, "", address);
  const entries = new Entries(history, location);
  return { list, entries, write: (/** @type {string} */ url) => entries.write(null, "", url) };
}

test("what is written into the address changes the entry of the page", () => {
  const { list, write } = visit("/");
  write("/?sample=beach");
  write("/?sample=beach&model=a");
  assert.deepEqual(list, ["/?sample=beach&model=a"]);
});

test("another page is an entry of its own, and the one that is left keeps what was chosen there", () => {
  const { list, entries, write } = visit("/");
  write("/?sample=beach");
  entries.notice();
  write("/");
  write("/fields");
  write("/fields?sample=beach");
  assert.deepEqual(list, ["/?sample=beach", "/fields?sample=beach"]);
});

test("a page that nobody did anything on is left as it is", () => {
  const { list, entries, write } = visit("/?model=a");
  entries.notice();
  write("/fields");
  write("/fields?model=b");
  write("/models");
  assert.deepEqual(list, ["/?model=a", "/fields?model=b", "/models"]);
});
