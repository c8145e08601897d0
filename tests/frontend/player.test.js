// Which frame of a clip is meant by a moment.

import assert from "node:assert/strict";
import { test } from "node:test";
import { frameAt, momentIn, nearestFrame } from "../../posecore/ui/frontend/player/frames.js";
import { randomNumbers } from "./helpers.js";

const EVEN = Float32Array.from({ length: 50 }, (_, frame) => frame / 25);

test("a moment is in the last frame that has begun", () => {
  assert.deepEqual(
    [-1, 0, 0.039, 0.05, 1.96, 99].map((moment) => frameAt(EVEN, moment)),
    [0, 0, 1, 1, 49, 49],
  );
  assert.equal(frameAt([0.5], 3), 0);
});

test("of two frames the nearer one is meant", () => {
  assert.deepEqual(
    [0.01, 0.03, 5].map((moment) => nearestFrame(EVEN, moment)),
    [0, 1, 49],
  );
});

test("the moment at which a frame is shown is in that frame, also where frames are short or of uneven length", () => {
  const random = randomNumbers(5);
  const uneven = [0];
  while (uneven.length < 200) uneven.push((uneven.at(-1) ?? 0) + 0.002 + 0.2 * random() ** 3);
  for (const frame of uneven.keys()) assert.equal(frameAt(uneven, momentIn(uneven, frame)), frame);
});

test("frames that are not there are the first or the last", () => {
  assert.equal(frameAt(EVEN, momentIn(EVEN, -3)), 0);
  assert.equal(frameAt(EVEN, momentIn(EVEN, 300)), 49);
});
