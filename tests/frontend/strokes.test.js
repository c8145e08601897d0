import assert from "node:assert/strict";
import { test } from "node:test";
import { byColor } from "../../posecore/ui/frontend/picture/strokes.js";

/** @param {number[]} at */
const path = ([x, y]) => `(${x},${y})`;

test("one colour for all makes one path", () => {
  assert.deepEqual(byColor([1, 2, 3, 4], 2, ["#fff"], path), [["#fff", "(1,2)(3,4)"]]);
});

test("neighbours of one colour share a path, in their order", () => {
  const colors = ["#f00", "#f00", "#0f0", "#f00"];
  const runs = byColor([1, 1, 2, 2, 3, 3, 4, 4], 2, colors, path);
  assert.deepEqual(runs, [
    ["#f00", "(1,1)(2,2)"],
    ["#0f0", "(3,3)"],
    ["#f00", "(4,4)"],
  ]);
});
