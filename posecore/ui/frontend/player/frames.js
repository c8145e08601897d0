// Which frame of a clip is meant by a moment. Moments and frames' beginnings are seconds of the clip.

import { clamp } from "../shared/geometry.js";

const EARLY = 0.004; // Seconds by which browsers' clocks are off, but never more than a quarter of a frame.
const LAST = 0.02; // Seconds that the last frame is taken to last.

/** @typedef {ArrayLike<number>} Beginnings When each frame begins, in order; never empty. */

/**
 * The last frame that begins at or before a moment.
 *
 * @param {Beginnings} seconds
 * @param {number} moment
 */
export function frameAt(seconds, moment) {
  let low = 0;
  let high = seconds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const early = Math.min(EARLY, (seconds[middle] - seconds[middle - 1]) / 4);
    if (seconds[middle] <= moment + early) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The frame that begins nearest to a moment.
 *
 * @param {Beginnings} seconds
 * @param {number} moment
 */
export function nearestFrame(seconds, moment) {
  const before = frameAt(seconds, moment);
  const after = Math.min(before + 1, seconds.length - 1);
  return seconds[after] - moment < moment - seconds[before] ? after : before;
}

/**
 * A moment at which a frame is shown; the first or last one for a frame that is not there. It is a little after the
 * frame's beginning: exactly on it, rounding may show the one before.
 *
 * @param {Beginnings} seconds
 * @param {number} frame
 */
export function momentIn(seconds, frame) {
  const last = seconds.length - 1;
  const index = clamp(frame, 0, last);
  const length = index < last ? seconds[index + 1] - seconds[index] : LAST;
  return seconds[index] + Math.min(length / 2, 0.01);
}
