// What the people before a camera measure: the curve of the last seconds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { curvePath, keepReading, SHOWN } from "../../posecore/ui/frontend/gauges/curve.js";

/** @import { Reading } from "../../posecore/ui/frontend/gauges/curve.js" */

const SIZE = { width: 100, height: 20 };

test("the newest value is at the right end, high values are above, and gaps are not drawn", () => {
  /** @type {Reading[]} */
  const readings = [
    [100, 0],
    [100 + SHOWN / 2, 90],
    [100 + (3 * SHOWN) / 4, null],
    [100 + SHOWN, 180],
  ];
  assert.equal(curvePath(readings, 180, SIZE), "M0.0 20.0L50.0 10.0M100.0 0.0");
  assert.equal(curvePath([], 180, SIZE), "");
});

test("what is older than the curve goes, and another camera's clock begins anew", () => {
  /** @type {Reading[]} */
  const readings = [];
  for (let second = 0; second <= 3 * SHOWN; second += 1) keepReading(readings, [second, second]);
  assert.deepEqual([readings[0][0], readings.length], [2 * SHOWN, SHOWN + 1]);
  keepReading(readings, [1, null]);
  assert.deepEqual(readings, [[1, null]]);
});
