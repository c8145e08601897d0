// People as skeletons on a picture, and what changes them. Positions are source pixels from the picture's top left edge.

import { clamp, clampTo, sharedPart } from "../shared/geometry.js";
import { HIDDEN, UNLABELLED, VISIBLE } from "./states.js";

/** @import { Box, Point, Size } from "../shared/geometry.js" */

/** Part of the smaller box that two share who are the same person. */
const SAME_PLACE = 0.5;

/** x, y and label; x and y are null unless the label is HIDDEN or VISIBLE. */
/** @typedef {[number | null, number | null, number]} Joint */
/** @typedef {[number, number, number]} PlacedJoint */

/**
 * A person as Python knows it.
 *
 * @typedef {object} Entry
 * @property {Joint[]} joints
 * @property {Box | null} box A box of its own, or null for one that follows the joints.
 * @property {string} category
 * @property {number | null} area
 * @property {boolean} proposed Whether nobody has confirmed it yet.
 * @property {number | null} score Of the model that proposed it.
 */

/** A person on the screen. `last` is where joints were that have no place now. */
/** @typedef {Entry & { id: string, last?: Record<number, Point> }} Person */

export function freshId() {
  return Math.random().toString(36).slice(2);
}

/**
 * @param {number} joints How many.
 * @returns {Person}
 */
export function newPerson(joints) {
  return {
    id: freshId(),
    joints: Array.from({ length: joints }, () => [null, null, UNLABELLED]),
    box: null,
    category: "person",
    area: null,
    proposed: false,
    score: null,
  };
}

/**
 * @param {Joint} joint
 * @returns {joint is PlacedJoint}
 */
export function isPlaced(joint) {
  return joint[0] !== null && (joint[2] === VISIBLE || joint[2] === HIDDEN);
}

/**
 * The entry of a person, as Python is told.
 *
 * @param {Entry} person
 * @returns {Entry}
 */
export function toEntry({ joints, box, category, area, proposed, score }) {
  return { joints, box, category, area, proposed, score };
}

/**
 * Whether two lists hold the same people. Python lists labels before proposals, whatever order they came in.
 *
 * @param {Entry[]} some
 * @param {Entry[]} others
 */
export function samePeople(some, others) {
  /** @param {Entry[]} people */
  const listed = (people) =>
    JSON.stringify(people.map(toEntry).sort((a, b) => Number(a.proposed) - Number(b.proposed)));
  return listed(some) === listed(others);
}

// --- changes ---

/**
 * Whoever was changed by somebody was looked at.
 *
 * @param {Person} person
 */
export function accept(person) {
  person.proposed = false;
  person.score = null;
}

/**
 * Puts a joint where it is meant, or as near as the picture goes.
 *
 * @param {Person} person
 * @param {number} index
 * @param {readonly number[]} place
 * @param {number} label
 * @param {Size} size
 */
export function putJoint(person, index, place, label, size) {
  const [x, y] = clampTo(place, size);
  person.joints[index] = [rounded(x), rounded(y), label];
}

/**
 * Moves a whole person, as far as all its joints stay in the picture.
 *
 * @param {Person} person
 * @param {Person} origin The person before it was moved.
 * @param {readonly number[]} by
 * @param {Size} size
 */
export function movePerson(person, origin, [dx, dy], size) {
  const placed = origin.joints.filter(isPlaced);
  const right = allowed(
    dx,
    placed.map(([x]) => x),
    size.width,
  );
  const down = allowed(
    dy,
    placed.map(([, y]) => y),
    size.height,
  );
  person.joints = origin.joints.map((joint) =>
    isPlaced(joint) ? [rounded(joint[0] + right), rounded(joint[1] + down), joint[2]] : joint,
  );
  if (!origin.box) return;
  const [x0, y0, x1, y1] = origin.box;
  person.box = [rounded(x0 + right), rounded(y0 + down), rounded(x1 + right), rounded(y1 + down)];
}

/**
 * @param {number} delta
 * @param {number[]} values
 * @param {number} end
 */
function allowed(delta, values, end) {
  if (!values.length) return delta;
  // Some may lie outside already; they need not come in.
  return clamp(delta, Math.min(-Math.min(...values), 0), Math.max(end - Math.max(...values), 0));
}

/**
 * Says something else of a joint. Returns false, and changes nothing, when nobody knows where it is but it needs a place.
 *
 * @param {Person} person
 * @param {number} index
 * @param {number} label
 */
export function labelJoint(person, index, label) {
  const joint = person.joints[index];
  const needsPlace = label === VISIBLE || label === HIDDEN;
  const place = isPlaced(joint) ? joint : person.last?.[index];
  if (needsPlace && !place) return false;
  if (isPlaced(joint)) person.last = { ...person.last, [index]: [joint[0], joint[1]] };
  person.joints[index] = needsPlace && place ? [place[0], place[1], label] : [null, null, label];
  return true;
}

/**
 * Fills a box with a template, whose places are shares of the box.
 *
 * @param {Person} person
 * @param {Point[]} template
 * @param {Box} box
 * @param {Size} size
 */
export function fillBox(person, template, [x0, y0, x1, y1], size) {
  template.forEach(([x, y], index) => {
    putJoint(person, index, [x0 + x * (x1 - x0), y0 + y * (y1 - y0)], VISIBLE, size);
  });
}

/**
 * Makes a box of its own hold all joints. An area that was given belongs to the box as it was.
 *
 * @param {Person} person
 */
export function holdJoints(person) {
  if (!person.box) return;
  const placed = person.joints.filter(isPlaced);
  const [xs, ys] = [placed.map(([x]) => x), placed.map(([, y]) => y)];
  const [x0, y0, x1, y1] = person.box;
  /** @type {Box} */
  const box = [Math.min(x0, ...xs), Math.min(y0, ...ys), Math.max(x1, ...xs), Math.max(y1, ...ys)];
  if (String(box) === String(person.box)) return;
  person.box = box;
  person.area = null;
}

/**
 * The people of one picture for another one, those left out who stand where somebody of it is already: nobody has
 * confirmed them there. Pictures of different sizes are taken for the same view.
 *
 * @param {Entry[]} people
 * @param {Size} from Size of their picture.
 * @param {Person[]} there
 * @param {Size} to
 * @returns {Person[]}
 */
export function copiesFor(people, from, there, to) {
  const taken = there.map(around).filter((box) => box !== null);
  return people
    .map((person) => copyOf(person, from, to))
    .filter((copy) => {
      const box = around(copy);
      return !box || !taken.some((other) => sharedPart(box, other) > SAME_PLACE);
    });
}

/**
 * @param {Entry} person
 * @param {Size} from
 * @param {Size} to
 * @returns {Person}
 */
function copyOf(person, from, to) {
  const [across, down] = [to.width / from.width, to.height / from.height];
  const copy = { ...newPerson(person.joints.length), category: person.category, proposed: true };
  person.joints.forEach((joint, index) => {
    if (isPlaced(joint)) putJoint(copy, index, [joint[0] * across, joint[1] * down], joint[2], to);
    else copy.joints[index] = [...joint];
  });
  if (person.box) {
    const [x0, y0, x1, y1] = person.box;
    copy.box = [rounded(x0 * across), rounded(y0 * down), rounded(x1 * across), rounded(y1 * down)];
    copy.area = person.area === null ? null : rounded(person.area * across * down);
  }
  return copy;
}

/**
 * A person's box: its own, or the one that its joints give.
 *
 * @param {Entry} person
 * @returns {Box | null}
 */
function around({ joints, box }) {
  const placed = joints.filter(isPlaced);
  if (box || !placed.length) return box;
  const [xs, ys] = [placed.map(([x]) => x), placed.map(([, y]) => y)];
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** @param {number} value */
function rounded(value) {
  return Math.round(100 * value) / 100;
}
