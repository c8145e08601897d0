// People and regions on the picture.

import { addShape } from "../shared/elements.js";
import { isPlaced } from "./people.js";
import { HIDDEN, inWords } from "./states.js";

/** @import { Box, Point } from "../shared/geometry.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Hit, Spot } from "./hits.js" */
/** @import { Person } from "./people.js" */

/** @param {Editor} editor */
export function drawPeople(editor) {
  const { marks, data, gesture, sheet } = editor;
  marks.replaceChildren();
  for (const region of data.regions) drawBox(editor, marks, region, "region");
  // The chosen person lies on top.
  const order = [...sheet.people].sort((a, b) => Number(a.id === editor.person) - Number(b.id === editor.person));
  for (const person of order) drawPerson(editor, person, sheet.people.indexOf(person));
  if (gesture?.box) drawBox(editor, marks, gesture.box, "drawn");
}

/**
 * @param {Editor} editor
 * @param {Element} parent
 * @param {Box} box
 * @param {string} look
 */
function drawBox({ stage }, parent, [x0, y0, x1, y1], look) {
  const [x, y] = stage.viewport.toFrame([x0, y0]);
  const [right, bottom] = stage.viewport.toFrame([x1, y1]);
  const attributes = { x, y, width: right - x, height: bottom - y };
  for (const kind of ["under", look]) addShape(parent, "rect", { class: kind, ...attributes });
}

/**
 * @param {Editor} editor
 * @param {Person} person
 * @param {number} number Of the person, from 0.
 */
function drawPerson(editor, person, number) {
  const { edges, sides } = editor.data.skeleton;
  const { colors } = editor.data;
  const look = person.id === editor.person ? "chosen" : "others";
  const group = addShape(editor.marks, "g", { class: person.proposed ? `${look} proposed` : look });
  const points = person.joints.map((joint) =>
    isPlaced(joint) ? editor.stage.viewport.toFrame([joint[0], joint[1]]) : null,
  );
  const lines = edges.flatMap(([a, b]) => {
    const [from, to] = [points[a], points[b]];
    const side = sides[a] === sides[b] ? sides[a] : "middle";
    return from && to ? [{ x1: from[0], y1: from[1], x2: to[0], y2: to[1], stroke: colors[side] }] : [];
  });
  for (const { stroke, ...line } of lines) addShape(group, "line", { class: "under", ...line });
  for (const line of lines) addShape(group, "line", { class: "line", ...line });
  if (!lines.length && person.box) drawBox(editor, group, person.box, "own");
  points.forEach((point, joint) => {
    if (point) drawJoint(editor, group, person, number, joint, point);
  });
}

/**
 * @param {Editor} editor
 * @param {Element} group
 * @param {Person} person
 * @param {number} number
 * @param {number} joint
 * @param {Point} place
 */
function drawJoint(editor, group, person, number, joint, [cx, cy]) {
  const { colors, skeleton } = editor.data;
  const hidden = person.joints[joint][2] === HIDDEN;
  const r = person.id === editor.person ? 5.5 : 4.5;
  const circle = addShape(group, "circle", { class: hidden ? "joint hidden-joint" : "joint", cx, cy, r });
  circle.dataset.person = String(number);
  circle.dataset.joint = String(joint);
  circle.style[hidden ? "stroke" : "fill"] = colors[skeleton.sides[joint]];
  if (person.id !== editor.person || joint !== editor.joint) return;
  for (const kind of ["ring under", "ring"]) addShape(group, "circle", { class: kind, cx, cy, r: r + 4 });
}

/**
 * Names what is meant by the pointer, or nothing.
 *
 * @param {Editor} editor
 * @param {Spot | null} spot
 * @param {Hit | null} found
 */
export function drawHint({ stage, parts, sheet, data }, spot, found) {
  stage.frame.classList.toggle("over", found !== null);
  if (!found || !spot) {
    stage.showTip(parts.tip, null);
    return;
  }
  const { person, joint } = found;
  const words = [`Person ${sheet.people.indexOf(person) + 1}`];
  const label = joint === null ? null : person.joints[joint];
  if (joint !== null) words.push(inWords(data.skeleton.names[joint]));
  if (label && label[2] === HIDDEN) words.push("hidden");
  if (person.proposed) words.push("proposal");
  const source = label && isPlaced(label) ? label : spot.source;
  stage.showTip(parts.tip, words.join(" · "), stage.viewport.toFrame(source));
}
