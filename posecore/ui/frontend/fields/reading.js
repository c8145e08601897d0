// The value of a map at a place, in words.

import { clamp } from "../shared/geometry.js";
import { unpackFloats } from "../shared/numbers.js";

/**
 * Values of a map on its own grid. Positions are source pixels.
 *
 * @typedef {object} Grid
 * @property {number} columns
 * @property {number} rows
 * @property {number} parts 1, or 2 for vectors (x, y).
 * @property {[number, number]} start Centre of the first cell.
 * @property {[number, number]} step From cell to cell.
 * @property {[number, number, number, number]} inside The part of the picture that the network saw.
 * @property {string} label What the values are of.
 * @property {string} units Written after a value.
 */

/** @typedef {Grid & { cells: string }} PackedValues */
/** @typedef {Grid & { cells: ArrayLike<number> }} Values */

/**
 * @param {PackedValues} packed
 * @returns {Values}
 */
export function unpackValues(packed) {
  return { ...packed, cells: unpackFloats(packed.cells) };
}

/**
 * @param {Values} values
 * @param {readonly number[]} place
 */
export function valueInWords(values, [x, y]) {
  const { inside, parts, label, units } = values;
  if (x < inside[0] || y < inside[1] || x >= inside[2] || y >= inside[3]) return "not seen by the network";
  if (parts === 1) return `${label} ${valueAt(values, 0, x, y).toFixed(3)}${units}`;
  const [a, b] = [valueAt(values, 0, x, y), valueAt(values, 1, x, y)];
  return `${label} (${a.toFixed(2)}, ${b.toFixed(2)})${units}, length ${Math.hypot(a, b).toFixed(2)}`;
}

/**
 * Bilinear between the centres of cells, as the colours are.
 *
 * @param {Values} values
 * @param {number} part
 * @param {number} x
 * @param {number} y
 */
export function valueAt({ columns, rows, start, step, cells }, part, x, y) {
  const u = clamp((x - start[0]) / step[0], 0, columns - 1);
  const v = clamp((y - start[1]) / step[1], 0, rows - 1);
  const [i, j] = [Math.min(Math.floor(u), Math.max(columns - 2, 0)), Math.min(Math.floor(v), Math.max(rows - 2, 0))];
  /**
   * @param {number} row
   * @param {number} column
   */
  const at = (row, column) => cells[(part * rows + Math.min(row, rows - 1)) * columns + Math.min(column, columns - 1)];
  const above = mix(at(j, i), at(j, i + 1), u - i);
  const below = mix(at(j + 1, i), at(j + 1, i + 1), u - i);
  return mix(above, below, v - j);
}

/**
 * @param {number} a
 * @param {number} b
 * @param {number} share
 */
function mix(a, b, share) {
  return a + (b - a) * share;
}
