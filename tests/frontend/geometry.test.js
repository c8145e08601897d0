// Where pictures lie, what pointers do to them, and which part is dragged.

import assert from "node:assert/strict";
import { test } from "node:test";
import { regionOf } from "../../posecore/ui/frontend/picture/region.js";
import { boxBetween, clampTo, distanceToSegment, nearestThing } from "../../posecore/ui/frontend/shared/geometry.js";
import { Pointers } from "../../posecore/ui/frontend/shared/pointers.js";
import { Viewport } from "../../posecore/ui/frontend/shared/viewport.js";
import { isNear, randomNumbers } from "./helpers.js";

/** A picture of 200 × 100 in a frame of 400 × 400: twice its size, with 100 pixels above and below. */
function viewport() {
  const made = new Viewport(10);
  made.frame = { width: 400, height: 400 };
  made.picture = { width: 200, height: 100 };
  return made;
}

test("a picture is seen whole in the middle of its frame", () => {
  const view = viewport();
  assert.deepEqual(view.fitted, { scale: 2, left: 0, top: 100 });
  assert.deepEqual(view.toFrame([0, 0]), [0, 100]);
  assert.deepEqual(view.toFrame([200, 100]), [400, 300]);
  assert.deepEqual(view.toSource([200, 200]), [100, 50]);
});

test("what is zoomed at stays where it is, and there and back is the same place", () => {
  const random = randomNumbers(1);
  for (let round = 0; round < 200; round += 1) {
    const view = viewport();
    view.zoomBy(1 + 5 * random(), [400 * random(), 400 * random()]);
    const at = /** @type {const} */ ([400 * random(), 400 * random()]);
    const under = view.toSource(at);
    view.zoomBy(1.3, at);
    isNear(view.toFrame(under), at);
    isNear(view.toSource(at), under);
  }
});

test("zoom has its ends, and no part of the frame is left empty", () => {
  const random = randomNumbers(2);
  const view = viewport();
  for (let round = 0; round < 500; round += 1) {
    view.zoomBy(0.2 + 2 * random(), [400 * random(), 400 * random()]);
    view.panBy(900 * (random() - 0.5), 900 * (random() - 0.5));
    assert.ok(view.zoom >= 1 && view.zoom <= 10);
    for (const side of [0, 1]) {
      assert.ok(view.origin[side] <= 0 && view.origin[side] >= 400 * (1 - view.zoom));
    }
  }
  view.fit();
  assert.deepEqual([view.zoom, view.origin], [1, [0, 0]]);
});

test("two fingers zoom around their middle by how far they part", () => {
  const pointers = new Pointers();
  pointers.put(1, [100, 100]);
  assert.deepEqual(pointers.move(1, [110, 90]), [10, -10]);
  assert.equal(pointers.pinch(1, [100, 100]), null, "one finger is no pinch");
  pointers.put(2, [200, 100]);
  assert.deepEqual(pointers.pinch(2, [300, 100]), { dx: 50, dy: 0, factor: 2, at: [200, 100] });
  pointers.lift(1);
  assert.deepEqual([pointers.count, pointers.isDown(1), pointers.isDown(2)], [1, false, true]);
});

test("points are kept in the picture and boxes have their corners in order", () => {
  assert.deepEqual(clampTo([-3, 120], { width: 200, height: 100 }), [0, 100]);
  assert.deepEqual(boxBetween([9, 2], [3, 7]), [3, 2, 9, 7]);
});

test("the distance to a segment is that to its nearest point", () => {
  assert.equal(distanceToSegment([5, 3], [0, 0], [10, 0]), 3);
  assert.equal(distanceToSegment([-3, 4], [0, 0], [10, 0]), 5);
  assert.equal(distanceToSegment([3, 4], [0, 0], [0, 0]), 5, "a segment without length is a point");
});

test("the nearest thing is named when it is near enough", () => {
  const things = /** @type {[number, number, string][]} */ ([
    [0, 0, "nose"],
    [10, 0, "left eye"],
  ]);
  assert.deepEqual(nearestThing([8, 0], things, 5), { at: [10, 0], thing: "left eye" });
  assert.equal(nearestThing([5, 30], things, 5), null);
  assert.equal(nearestThing([5, 0], [], 5), null);
});

test("a dragged part is in whole source pixels, within the picture; a click is none", () => {
  const view = viewport();
  /** @param {[number, number]} place */
  const toSource = (place) => view.toSource(place);
  const size = { width: 200, height: 100 };
  assert.deepEqual(regionOf([100, 150, 300, 250], toSource, size), [50, 25, 150, 75]);
  assert.deepEqual(regionOf([0, 0, 400, 400], toSource, size), [0, 0, 200, 100]);
  assert.equal(regionOf([100, 150, 104, 250], toSource, size), null);
});
