// What is drawn above a map.

import { addShape } from "../shared/elements.js";

/** @import { Point } from "../shared/geometry.js" */

/**
 * @typedef {object} Mark
 * @property {"path" | "line" | "ring"} kind A path has a dot for each point.
 * @property {Point[]} points Source pixels.
 * @property {"path" | "chosen" | "rejected" | "picked"} look
 * @property {string[]} labels A word for each point of a path.
 */

const APART = 18; // CSS pixels between steps whose words would otherwise cover each other.

/**
 * @param {SVGElement} drawing
 * @param {Mark[]} marks
 * @param {(point: Point) => Point} toFrame
 */
export function drawMarks(drawing, marks, toFrame) {
  drawing.replaceChildren();
  for (const { kind, points, look, labels } of marks) {
    const places = points.map(toFrame);
    if (kind === "ring") drawRing(drawing, places[0], look);
    else drawLine(drawing, places, look);
    if (kind === "path") drawSteps(drawing, places, labels);
  }
}

/**
 * @param {SVGElement} drawing
 * @param {Point} place
 * @param {string} look
 */
function drawRing(drawing, [cx, cy], look) {
  const r = look === "picked" ? 10 : 8;
  for (const kind of ["under", look]) addShape(drawing, "circle", { class: `ring ${kind}`, cx, cy, r });
}

/**
 * @param {SVGElement} drawing
 * @param {Point[]} places
 * @param {string} look
 */
function drawLine(drawing, places, look) {
  for (const kind of ["under", look]) addShape(drawing, "polyline", { class: kind, points: places.join(" ") });
}

/**
 * @param {SVGElement} drawing
 * @param {Point[]} places
 * @param {string[]} labels
 */
function drawSteps(drawing, places, labels) {
  const worded = new Set(stepsWithWords(places));
  places.forEach(([cx, cy], index) => {
    const last = index === places.length - 1;
    addShape(drawing, "circle", { class: last ? "last" : "step", cx, cy, r: last ? 5.5 : 4 });
    if (worded.has(index)) addShape(drawing, "text", { x: cx + 9, y: cy - 8 }).textContent = labels[index];
  });
}

/**
 * Which steps have words: those that end nearly where the one before did are told by the table alone.
 *
 * @param {readonly Point[]} places
 * @returns {number[]}
 */
export function stepsWithWords(places) {
  /** @type {number[]} */
  const worded = [];
  places.forEach(([x, y], index) => {
    const written = places[worded.at(-1) ?? -1];
    if (!written || Math.hypot(x - written[0], y - written[1]) >= APART) worded.push(index);
  });
  return worded;
}
