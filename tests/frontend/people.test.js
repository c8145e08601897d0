// People: what changes them, and which of them is meant by a place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hit } from "../../posecore/ui/frontend/labels/hits.js";
import {
  accept,
  copiesFor,
  fillBox,
  holdJoints,
  labelJoint,
  movePerson,
  newPerson,
  putJoint,
  samePeople,
  toEntry,
} from "../../posecore/ui/frontend/labels/people.js";
import { ABSENT, HIDDEN, UNLABELLED, VISIBLE } from "../../posecore/ui/frontend/labels/states.js";
import { randomNumbers } from "./helpers.js";

/** @import { Box } from "../../posecore/ui/frontend/shared/geometry.js" */
/** @import { Joint } from "../../posecore/ui/frontend/labels/people.js" */

const SIZE = { width: 100, height: 80 };

/** @param {...Joint} joints */
function somebody(...joints) {
  return { ...newPerson(joints.length), joints };
}

test("a joint is put where it is meant, to a hundredth of a pixel, or at the edge", () => {
  const person = newPerson(2);
  putJoint(person, 1, [12.3456, 90], HIDDEN, SIZE);
  assert.deepEqual(person.joints, [
    [null, null, UNLABELLED],
    [12.35, 80, HIDDEN],
  ]);
});

test("a person is moved as a whole and stays in the picture", () => {
  const random = randomNumbers(3);
  for (let round = 0; round < 200; round += 1) {
    const joints = [0, 1, 2].map(() => /** @type {Joint} */ ([100 * random(), 80 * random(), VISIBLE]));
    const origin = somebody(...joints, [null, null, ABSENT]);
    const person = structuredClone(origin);
    movePerson(person, origin, [400 * (random() - 0.5), 400 * (random() - 0.5)], SIZE);
    assert.deepEqual(person.joints[3], [null, null, ABSENT]);
    const steps = person.joints
      .slice(0, 3)
      .map(([x, y], index) => [Number(x) - Number(joints[index][0]), Number(y) - Number(joints[index][1])]);
    for (const [index, [x, y]] of person.joints.slice(0, 3).entries()) {
      assert.ok(Number(x) >= 0 && Number(x) <= 100 && Number(y) >= 0 && Number(y) <= 80);
      assert.ok(Math.abs(steps[index][0] - steps[0][0]) < 0.02 && Math.abs(steps[index][1] - steps[0][1]) < 0.02);
    }
  }
});

test("who lies outside already need not come in, and goes no further", () => {
  const origin = somebody([-10, 40, VISIBLE], [50, 40, VISIBLE]);
  const person = structuredClone(origin);
  movePerson(person, origin, [-5, 0], SIZE);
  assert.deepEqual(person.joints[0], [-10, 40, VISIBLE]);
  movePerson(person, origin, [5, 0], SIZE);
  assert.deepEqual(person.joints[0], [-5, 40, VISIBLE]);
});

test("a box of its own goes along with its person, and grows with joints that leave it", () => {
  /** @type {Box} */
  const box = [10, 10, 40, 40];
  const origin = { ...somebody([20, 20, VISIBLE]), box, area: 500 };
  const person = structuredClone(origin);
  movePerson(person, origin, [5, -5], SIZE);
  assert.deepEqual(person.box, [15, 5, 45, 35]);
  holdJoints(person);
  assert.equal(person.area, 500, "the box is as it was");
  putJoint(person, 0, [60, 20], VISIBLE, SIZE);
  holdJoints(person);
  assert.deepEqual([person.box, person.area], [[15, 5, 60, 35], null]);
});

test("a joint that was absent comes back to where it was", () => {
  const person = somebody([20, 30, VISIBLE]);
  assert.ok(labelJoint(person, 0, HIDDEN));
  assert.deepEqual(person.joints[0], [20, 30, HIDDEN]);
  assert.ok(labelJoint(person, 0, ABSENT));
  assert.deepEqual(person.joints[0], [null, null, ABSENT]);
  assert.ok(labelJoint(person, 0, UNLABELLED));
  assert.ok(labelJoint(person, 0, VISIBLE));
  assert.deepEqual(person.joints[0], [20, 30, VISIBLE]);
});

test("a joint that was never anywhere needs a place before it can be seen", () => {
  const person = newPerson(1);
  assert.equal(labelJoint(person, 0, VISIBLE), false);
  assert.deepEqual(person.joints[0], [null, null, UNLABELLED]);
  assert.ok(labelJoint(person, 0, ABSENT));
  assert.deepEqual(person.joints[0], [null, null, ABSENT]);
});

test("a template fills its box", () => {
  const person = newPerson(3);
  const corners = /** @type {[number, number][]} */ ([
    [0, 0],
    [0.5, 1],
    [1, 0.25],
  ]);
  fillBox(person, corners, [20, 10, 40, 50], SIZE);
  assert.deepEqual(person.joints, [
    [20, 10, VISIBLE],
    [30, 50, VISIBLE],
    [40, 20, VISIBLE],
  ]);
});

test("who is changed by somebody is a proposal no more", () => {
  const person = { ...newPerson(1), proposed: true, score: 0.7 };
  accept(person);
  assert.deepEqual([person.proposed, person.score], [false, null]);
});

test("the same people are the same in another order of labels and proposals, whatever the screen calls them", () => {
  const [label, proposal] = [somebody([1, 2, VISIBLE]), { ...somebody([3, 4, VISIBLE]), proposed: true, score: 0.5 }];
  assert.ok(samePeople([proposal, label], [toEntry(label), toEntry(proposal)]));
  assert.ok(!samePeople([label], [label, proposal]));
  assert.ok(!samePeople([label], [somebody([1, 2, HIDDEN])]));
});

// --- what is meant ---

/** @type {[number, number][]} */
const EDGES = [[0, 1]];

/**
 * @param {number} x
 * @param {number} y
 * @param {string} [kind]
 */
function spot(x, y, kind = "mouse") {
  return { source: /** @type {[number, number]} */ ([x, y]), scale: 1, kind };
}

test("a joint is meant before a line, and a line before nobody", () => {
  const person = somebody([10, 10, VISIBLE], [60, 10, HIDDEN]);
  assert.deepEqual(hit([person], EDGES, null, spot(12, 12)), { person, joint: 0 });
  assert.deepEqual(hit([person], EDGES, null, spot(35, 13)), { person, joint: null });
  assert.equal(hit([person], EDGES, null, spot(35, 40)), null);
  assert.equal(hit([], EDGES, null, spot(35, 40)), null);
});

test("where people overlap, the chosen one is meant", () => {
  const [one, other] = [somebody([10, 10, VISIBLE]), somebody([16, 10, VISIBLE])];
  assert.equal(hit([one, other], [], null, spot(12.5, 10))?.person, one);
  assert.equal(hit([one, other], [], other.id, spot(12.5, 10))?.person, other);
});

test("a finger is less exact than a mouse, and zoom makes both more exact", () => {
  const person = somebody([10, 10, VISIBLE]);
  assert.equal(hit([person], [], null, spot(30, 10)), null);
  assert.equal(hit([person], [], null, spot(30, 10, "touch"))?.joint, 0);
  assert.equal(hit([person], [], null, { ...spot(30, 10, "touch"), scale: 4 }), null);
});

test("a person without lines is taken by the sides of the box", () => {
  const person = { ...somebody([null, null, ABSENT]), box: /** @type {Box} */ ([10, 10, 50, 50]) };
  assert.deepEqual(hit([person], EDGES, null, spot(30, 12)), { person, joint: null });
  assert.equal(hit([person], EDGES, null, spot(30, 30)), null);
});

test("people of another picture are copied to where they would be, unless somebody is there", () => {
  const person = { ...somebody([20, 10, VISIBLE], [60, 50, HIDDEN], [null, null, ABSENT]), score: 0.5 };
  const boxed = { ...somebody([80, 40, VISIBLE]), box: /** @type {Box} */ ([70, 20, 100, 80]), area: 600 };
  const [copy, other] = copiesFor([person, boxed], SIZE, [], { width: 200, height: 80 });
  assert.deepEqual(copy.joints, [
    [40, 10, VISIBLE],
    [120, 50, HIDDEN],
    [null, null, ABSENT],
  ]);
  assert.ok(copy.proposed && copy.score === null && copy.id !== person.id);
  assert.deepEqual([other.box, other.area], [[140, 20, 200, 80], 1200]);
  // Whoever is copied twice, or stands there already, is not there twice; who is elsewhere is.
  assert.deepEqual(
    copiesFor([person, boxed], SIZE, [person], SIZE).map(({ box }) => box),
    [boxed.box],
  );
  assert.equal(copiesFor([person], SIZE, [somebody([62, 10, VISIBLE], [90, 50, VISIBLE])], SIZE).length, 1);
});
