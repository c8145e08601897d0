// Points, boxes and distances. Points are [x, y], boxes [left, top, right, bottom].

/** @typedef {[number, number]} Point */
/** @typedef {[number, number, number, number]} Box */
/** @typedef {{ width: number, height: number }} Size */

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/**
 * The point itself, or the nearest one of a picture.
 *
 * @param {readonly number[]} point
 * @param {Size} size
 * @returns {Point}
 */
export function clampTo([x, y], { width, height }) {
  return [clamp(x, 0, width), clamp(y, 0, height)];
}

/**
 * The box between two opposite corners.
 *
 * @param {readonly number[]} one
 * @param {readonly number[]} other
 * @returns {Box}
 */
export function boxBetween([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

/**
 * The area that two boxes share, as a part of the smaller one.
 *
 * @param {Box} one
 * @param {Box} other
 */
export function sharedPart(one, other) {
  const wide = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const high = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const smaller = Math.min(areaOf(one), areaOf(other));
  return wide > 0 && high > 0 && smaller > 0 ? (wide * high) / smaller : 0;
}

/** @param {Box} box */
function areaOf([x0, y0, x1, y1]) {
  return (x1 - x0) * (y1 - y0);
}

/**
 * @param {readonly number[]} point
 * @param {readonly number[]} from
 * @param {readonly number[]} to
 */
export function distanceToSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const share = clamp(((x - ax) * dx + (y - ay) * dy) / Math.max(dx * dx + dy * dy, 1e-9), 0, 1);
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

/**
 * Of things at places, the one nearest to a point and nearer than `reach`; null when there is none.
 *
 * @template Thing
 * @param {readonly number[]} point
 * @param {Iterable<readonly [number, number, Thing]>} things
 * @param {number} reach
 * @returns {{ at: Point, thing: Thing } | null}
 */
export function nearestThing([x, y], things, reach) {
  let best = null;
  let least = reach;
  for (const [thingX, thingY, thing] of things) {
    const distance = Math.hypot(thingX - x, thingY - y);
    if (distance >= least) continue;
    least = distance;
    best = { at: /** @type {Point} */ ([thingX, thingY]), thing };
  }
  return best;
}
