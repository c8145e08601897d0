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
