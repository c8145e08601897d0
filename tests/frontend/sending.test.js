// When the editor speaks.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Protocol } from "../../posecore/ui/frontend/labels/protocol.js";
import { Sender } from "../../posecore/ui/frontend/labels/sending.js";
import { WAKE } from "../../posecore/ui/frontend/shared/wake.js";

/** @import { TestContext } from "node:test" */

let woken = 0;

beforeEach(() => {
  const page = new EventTarget();
  page.addEventListener(WAKE, () => {
    woken += 1;
  });
  woken = 0;
  Object.assign(globalThis, { window: page });
});

/** @param {TestContext} context */
function sender(context, alive = true) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const protocol = new Protocol("me");
  const made = new Sender(protocol, { has: () => ["token"], alive: () => alive, onSent: () => {} });
  /** @type {number[]} */
  const attempts = [];
  made.trigger = (_, message) => attempts.push(message.attempt);
  return { protocol, sender: made, attempts, wait: (/** @type {number} */ ms) => context.mock.timers.tick(ms) };
}

test("what comes close together is said once", (context) => {
  const { sender: made, attempts, wait } = sender(context);
  made.flushSoon();
  wait(100);
  made.flushSoon();
  wait(100);
  assert.deepEqual([attempts, made.waiting], [[], true]);
  wait(100);
  assert.deepEqual([attempts, made.waiting], [[1], false]);
});

test("saying all at once leaves nothing to be said later", (context) => {
  const { sender: made, attempts, wait } = sender(context);
  made.flushSoon();
  made.flush();
  wait(1000);
  assert.deepEqual([attempts, made.waiting], [[1], false]);
});

test("what is not answered is said again after the page was woken, as long as it takes", (context) => {
  const { protocol, sender: made, attempts, wait } = sender(context);
  protocol.wanted = { picture: "2", attempt: null };
  made.flush();
  wait(4000);
  assert.equal(woken, 1);
  wait(2000);
  assert.deepEqual(attempts, [1, 2]);
  wait(4000);
  wait(2000);
  assert.deepEqual(attempts, [1, 2, 3]);
  protocol.answered = 3;
  wait(20000);
  assert.deepEqual([attempts, woken], [[1, 2, 3], 2]);
});

test("an editor that has left the page is silent", (context) => {
  const { protocol, sender: made, attempts, wait } = sender(context, false);
  protocol.wanted = { picture: "2", attempt: null };
  made.flush();
  wait(20000);
  assert.deepEqual([attempts, woken], [[1], 0]);
});
