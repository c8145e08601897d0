// Which joint or person is meant by a place.

import { distanceToSegment } from "../shared/geometry.js";
import { isPlaced } from "./people.js";

/** @import { Point } from "../shared/geometry.js" */
/** @import { Person } from "./people.js" */

/** A place on the picture: source pixels, CSS pixels per source pixel, and what points there. */
/** @typedef {{ source: Point, scale: number, kind: string }} Spot */
/** What is meant; a joint of null means the whole person. @typedef {{ person: Person, joint: number | null }} Hit */

/** CSS pixels around a joint in which it is meant. @type {Record<string, number>} */
const NEAR = { mouse: 11, pen: 14, touch: 24 };
const LINE = 7; // CSS pixels around a line in which its person is meant.
const TOUCH = 6; // As many more for a finger.
const PREFERRED = 0.6; // Where people overlap, the chosen one is meant: what its distances count.

/**
 * @param {Person[]} people
 * @param {[number, number][]} edges Of the skeleton.
 * @param {string | null} chosen Who is chosen.
 * @param {Spot} spot
 * @returns {Hit | null}
 */
export function hit(people, edges, chosen, spot) {
  return hitJoint(people, chosen, spot) ?? hitLine(people, edges, chosen, spot);
}

/**
 * @param {Person[]} people
 * @param {string | null} chosen
 * @param {Spot} spot
 * @returns {Hit | null}
 */
function hitJoint(people, chosen, { source, scale, kind }) {
  const near = NEAR[kind] ?? NEAR.mouse;
  let best = null;
  let least = Number.POSITIVE_INFINITY;
  for (const person of people) {
    person.joints.forEach((joint, index) => {
      if (!isPlaced(joint)) return;
      const distance = Math.hypot(joint[0] - source[0], joint[1] - source[1]) * scale;
      const weighed = person.id === chosen ? distance * PREFERRED : distance;
      if (distance > near || weighed >= least) return;
      least = weighed;
      best = { person, joint: index };
    });
  }
  return best;
}

/**
 * @param {Person[]} people
 * @param {[number, number][]} edges
 * @param {string | null} chosen
 * @param {Spot} spot
 * @returns {Hit | null}
 */
function hitLine(people, edges, chosen, { source, scale, kind }) {
  let best = null;
  let least = LINE + (kind === "touch" ? TOUCH : 0);
  for (const person of people) {
    for (const [a, b] of lines(person, edges)) {
      const distance = distanceToSegment(source, a, b) * scale * (person.id === chosen ? PREFERRED : 1);
      if (distance >= least) continue;
      least = distance;
      best = { person, joint: null };
    }
  }
  return best;
}

/**
 * The lines of the skeleton, or the sides of the box of a person without any.
 *
 * @param {Person} person
 * @param {[number, number][]} edges
 * @returns {(readonly [readonly number[], readonly number[]])[]}
 */
function lines({ joints, box }, edges) {
  const found = edges.flatMap(([a, b]) => {
    const [from, to] = [joints[a], joints[b]];
    return isPlaced(from) && isPlaced(to) ? [/** @type {const} */ ([from, to])] : [];
  });
  if (found.length || !box) return found;
  const [x0, y0, x1, y1] = box;
  const corners = [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
  return corners.map((corner, index) => [corner, corners[(index + 1) % 4]]);
}
