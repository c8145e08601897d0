// Comparing pictures: how many stand in a row, and zoom and pan in step.

import assert from "node:assert/strict";
import { test } from "node:test";
import { GAP, layOut } from "../../posecore/ui/frontend/compare/layout.js";
import { Together } from "../../posecore/ui/frontend/compare/together.js";
import { Viewport } from "../../posecore/ui/frontend/shared/viewport.js";

test("two wide pictures stand beside each other, four in two rows", () => {
  assert.equal(layOut(2, 4 / 3, 900, 480).across, 2);
  assert.equal(layOut(4, 4 / 3, 900, 500).across, 2);
  assert.equal(layOut(4, 1 / 2, 900, 500).across, 4);
  assert.equal(layOut(3, 16 / 9, 1200, 260).across, 3);
});

test("pictures fit into the room there is", () => {
  for (const count of [1, 2, 3, 4]) {
    for (const ratio of [0.5, 1, 1.5, 2.4]) {
      const { across, width } = layOut(count, ratio, 890, 500);
      assert.ok(across * width + (across - 1) * GAP <= 890, `${count} of ${ratio} are too wide`);
      const rows = Math.ceil(count / across);
      assert.ok(rows * (width / ratio + 22) + (rows - 1) * GAP <= 500.5, `${count} of ${ratio} are too high`);
    }
  }
});

test("on a phone they stand below each other, as wide as it is", () => {
  assert.deepEqual(layOut(4, 4 / 3, 360, 500), { across: 1, width: 360 });
  assert.equal(layOut(2, 1 / 2, 360, 500).width, 250);
});

/** @param {number} width */
function placed(width) {
  const viewport = new Viewport(24);
  viewport.picture = { width: 640, height: 480 };
  viewport.frame = { width, height: (width * 3) / 4 };
  return { viewport, place: () => {} };
}

test("all show the same part, whatever their size", () => {
  const [one, other] = [placed(400), placed(200)];
  const together = new Together();
  together.stages = [one, other];
  one.viewport.zoomBy(3, [120, 80]);
  one.viewport.panBy(-30, 10);
  together.follow(one);
  for (const share of [0.1, 0.5, 0.9]) {
    const [x, y] = one.viewport.toSource([400 * share, 300 * share]);
    const [otherX, otherY] = other.viewport.toSource([200 * share, 150 * share]);
    assert.ok(Math.abs(x - otherX) < 1e-9 && Math.abs(y - otherY) < 1e-9);
  }
});

test("who follows leads nobody back", () => {
  const together = new Together();
  const [one, other] = [placed(400), placed(400)];
  let calls = 0;
  other.place = () => {
    calls += 1;
    other.viewport.zoom = 1;
    together.follow(other);
  };
  together.stages = [one, other];
  one.viewport.zoomBy(2);
  together.follow(one);
  assert.equal(calls, 1);
  assert.equal(one.viewport.zoom, 2);
});

test("a frame that changes its size shows the same part", () => {
  const { viewport } = placed(400);
  viewport.zoomBy(4, [100, 100]);
  const before = viewport.toSource([200, 150]);
  viewport.resize({ width: 800, height: 600 });
  const after = viewport.toSource([400, 300]);
  assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-9);
});
