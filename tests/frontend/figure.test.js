// The figure in the room: where a camera sees places, and where people's joints are in a frame.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Orbit } from "../../posecore/ui/frontend/figure/orbit.js";
import { jointsAt, unpackPerson, wayTo } from "../../posecore/ui/frontend/figure/people.js";

const UNKNOWN = -32768;

/** @param {number[]} numbers */
function pack(numbers) {
  return Buffer.from(Int16Array.from(numbers).buffer).toString("base64");
}

/** @param {Partial<Orbit>} [how] */
function orbit(how = {}) {
  return Object.assign(new Orbit(), { size: { width: 400, height: 300 }, middle: [0, 0, 0], distance: 5 }, how);
}

/** @param {import("../../posecore/ui/frontend/figure/orbit.js").Seen | null} seen */
function at(seen) {
  assert.ok(seen);
  return [seen.x, seen.y, seen.depth].map((value) => Math.round(value * 1000) / 1000 + 0);
}

test("from the front, right is right, up is up and near is near", () => {
  const camera = orbit({ turn: 0, tilt: 0 });
  assert.deepEqual(at(camera.see([0, 0, 0])), [0, 0, 5]);
  assert.deepEqual(at(camera.see([1, 0, 0])), [96, 0, 5]);
  assert.deepEqual(at(camera.see([0, 1, 0])), [0, -96, 5]);
  assert.deepEqual(at(camera.see([0, 0, 1])), [0, 0, 4]);
});

test("from above, what is near the camera is below", () => {
  const camera = orbit({ turn: 0, tilt: Math.PI / 2 });
  assert.deepEqual(at(camera.see([1, 0, 0])), [96, 0, 5]);
  assert.deepEqual(at(camera.see([0, 1, 0])), [0, 0, 4]);
  assert.deepEqual(at(camera.see([0, 0, 1])), [0, 96, 5]);
});

test("a turn and its opposite bring everything back, and the camera never goes under the floor", () => {
  const camera = orbit();
  const before = at(camera.see([0.3, 0.7, -0.4]));
  camera.turnBy(1, 0.3);
  assert.notDeepEqual(at(camera.see([0.3, 0.7, -0.4])), before);
  camera.turnBy(-1, -0.3);
  assert.deepEqual(at(camera.see([0.3, 0.7, -0.4])), before);
  camera.turnBy(0, -9);
  assert.ok(camera.tilt > -0.5);
});

test("what is behind the camera is not seen", () => {
  assert.equal(orbit({ turn: 0, tilt: 0 }).see([0, 0, 6]), null);
});

test("everything that has to be seen is in the frame, in a wide one and in a narrow one", () => {
  for (const size of [
    { width: 900, height: 400 },
    { width: 340, height: 500 },
  ]) {
    const camera = orbit({ size, turn: 0, tilt: 0, middle: [0, 0.9, 0] });
    camera.fit(3, 1.8);
    for (const place of [
      [-1.5, 0, 0],
      [1.5, 1.8, 0],
    ]) {
      const seen = camera.see(place);
      assert.ok(seen && Math.abs(seen.x) <= size.width / 2 && Math.abs(seen.y) <= size.height / 2);
    }
  }
});

test("joints are where they are packed, unknown ones nowhere, and nobody is there before they come", () => {
  const person = unpackPerson(
    {
      color: "red",
      first: 4,
      places: pack([1, 2, 3, UNKNOWN, 0, 0, 1000, -500, 250, 4, 5, 6]),
      way: pack([1, 3, 4, 6]),
    },
    2,
    0.001,
  );
  assert.equal(person.frames, 2);
  assert.deepEqual(jointsAt(person, 4, 2), [[0.001, 0.002, 0.003], null]);
  assert.deepEqual(jointsAt(person, 5, 2)[0], [1, -0.5, 0.25]);
  assert.deepEqual(jointsAt(person, 3, 2), []);
  assert.deepEqual(jointsAt(person, 6, 2), []);
});

test("a way ends where it is, and where nothing is known", () => {
  const way = [0, 0, UNKNOWN, UNKNOWN, 1000, 0, 2000, 500, 3000, 1000];
  const person = unpackPerson({ color: "red", first: 10, places: pack(Array(15).fill(0)), way: pack(way) }, 1, 0.001);
  assert.deepEqual(wayTo(person, 13, 90, 1), [
    [2, 0, 0.5],
    [1, 0, 0],
  ]);
  assert.deepEqual(wayTo(person, 9, 90, 1), []);
  assert.equal(wayTo(person, 14, 1, 1).length, 2);
});
