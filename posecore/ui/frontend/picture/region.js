// The part of a picture that is dragged.

import { clampTo } from "../shared/geometry.js";

/** @import { Box, Point, Size } from "../shared/geometry.js" */

const SMALLEST = 12; // CSS pixels below which a drag was a click.

/**
 * The part of the picture that was dragged, in whole source pixels; null for a click.
 *
 * @param {Box} dragged In the frame.
 * @param {(point: Point) => Point} toSource
 * @param {Size} size
 * @returns {Box | null}
 */
export function regionOf([left, top, right, bottom], toSource, size) {
  if (right - left < SMALLEST || bottom - top < SMALLEST) return null;
  const [x0, y0] = clampTo(toSource([left, top]), size);
  const [x1, y1] = clampTo(toSource([right, bottom]), size);
  return [Math.round(x0), Math.round(y0), Math.round(x1), Math.round(y1)];
}
