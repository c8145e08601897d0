// The last seconds of a value as a line.

/** A moment in seconds, and the value then; null where it is not known. @typedef {[number, number | null]} Reading */

/** Seconds that a curve shows. */
export const SHOWN = 10;

/**
 * Adds a reading and drops what is older than a curve shows.
 *
 * @param {Reading[]} readings
 * @param {Reading} newest
 */
export function keepReading(readings, newest) {
  const [now] = newest;
  // A clock that goes back is another camera's.
  if (readings.length && readings[readings.length - 1][0] > now) readings.length = 0;
  readings.push(newest);
  while (readings[0][0] < now - SHOWN) readings.shift();
}

/**
 * A curve as the path of an SVG: the newest value at the right end, lines broken where nothing is known.
 *
 * @param {Reading[]} readings
 * @param {number} largest The value at the upper end; 0 is at the lower one.
 * @param {{ width: number, height: number }} size
 */
export function curvePath(readings, largest, { width, height }) {
  const now = readings[readings.length - 1]?.[0] ?? 0;
  let path = "";
  let drawing = false;
  for (const [moment, value] of readings) {
    if (value !== null) {
      const x = width * (1 - (now - moment) / SHOWN);
      path += `${drawing ? "L" : "M"}${x.toFixed(1)} ${(height * (1 - value / largest)).toFixed(1)}`;
    }
    drawing = value !== null;
  }
  return path;
}
