// What somebody does to the people on the picture. Every change can be undone and is sent to Python.

import { accept, copiesFor, fillBox, isPlaced, labelJoint, newPerson, putJoint } from "./people.js";
import { HIDDEN, UNLABELLED, VISIBLE } from "./states.js";

/** @import { Box, Point } from "../shared/geometry.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Snapshot } from "./sheet.js" */

const SMALLEST = 4; // Source pixels below which a box holds nobody.

/**
 * Ends a change that began with `before`.
 *
 * @param {Editor} editor
 * @param {Snapshot} before
 * @param {boolean} [done] Whether somebody says that the picture is done.
 */
export function commit(editor, before, done) {
  editor.sheet.commit(before, editor.protocol.nextRevision(), done);
  editor.sender.flush();
  editor.draw();
}

/**
 * @param {Editor} editor
 * @param {"undo" | "redo"} direction
 */
export function stepBack(editor, direction) {
  const { sheet } = editor;
  const revision = editor.protocol.nextRevision();
  if (!sheet[direction](revision)) return;
  if (!editor.chosen) editor.choose(sheet.people.at(-1)?.id ?? null);
  editor.setMode(null);
  editor.sender.flush();
  editor.draw();
}

// --- people ---

/**
 * Adds a person in a box that was dragged.
 *
 * @param {Editor} editor
 * @param {Box | null} box
 */
export function addInBox(editor, box) {
  if (!box || box[2] - box[0] < SMALLEST || box[3] - box[1] < SMALLEST) {
    editor.note("Drag a box around the person: press in one corner, let go in the other. Esc ends this.");
    return;
  }
  const { sheet, data } = editor;
  const before = sheet.snapshot();
  const person = newPerson(data.skeleton.names.length);
  // What stands in the box is a template until somebody has moved a joint or confirmed it.
  person.proposed = true;
  fillBox(person, data.skeleton.template, box, data);
  sheet.people.push(person);
  editor.choose(person.id);
  editor.setMode(null);
  commit(editor, before);
}

/**
 * Adds the people of the picture before, as nobody has confirmed them here, unless they are here already.
 *
 * @param {Editor} editor
 */
export function copyBefore(editor) {
  const { sheet, data } = editor;
  if (!data.before?.people.length) return;
  const copies = copiesFor(data.before.people, data.before, sheet.people, data);
  if (!copies.length) {
    editor.note("Everybody of the picture before is here already. Delete who is to be copied anew.");
    return;
  }
  const before = sheet.snapshot();
  sheet.people.push(...copies);
  editor.choose(copies[0].id);
  editor.setMode(null);
  commit(editor, before);
}

/** @param {Editor} editor */
export function acceptPerson(editor) {
  const { chosen, sheet } = editor;
  if (!chosen?.proposed) return;
  const before = sheet.snapshot();
  accept(chosen);
  commit(editor, before);
}

/** @param {Editor} editor */
export function removePerson(editor) {
  const { sheet } = editor;
  const index = sheet.people.findIndex(({ id }) => id === editor.person);
  if (index < 0) return;
  const before = sheet.snapshot();
  sheet.people.splice(index, 1);
  editor.choose(sheet.people[Math.min(index, sheet.people.length - 1)]?.id ?? null);
  editor.setMode(null);
  commit(editor, before);
}

// --- joints ---

/**
 * Says what the chosen joint is; asks where it is when nobody knows.
 *
 * @param {Editor} editor
 * @param {number} label
 */
export function setLabel(editor, label) {
  const { chosen, joint, sheet } = editor;
  if (!chosen || joint === null || chosen.joints[joint][2] === label) return;
  const before = sheet.snapshot();
  if (!labelJoint(chosen, joint, label)) {
    editor.setMode({ kind: "place", chain: false, person: chosen.id, joint, label });
    return;
  }
  accept(chosen);
  editor.setMode(null);
  commit(editor, before);
}

/**
 * Moves the chosen joint by a little. Returns whether there is one to move.
 *
 * @param {Editor} editor
 * @param {number} dx
 * @param {number} dy
 */
export function nudge(editor, dx, dy) {
  const { chosen, joint, sheet, sender } = editor;
  if (!chosen || joint === null) return false;
  const [x, y, label] = chosen.joints[joint];
  if (!isPlaced(chosen.joints[joint]) || x === null || y === null) return false;
  const before = sheet.snapshot();
  putJoint(chosen, joint, [x + dx, y + dy], label, editor.data);
  accept(chosen);
  // Steps that follow each other closely are one change, for Python and for undo.
  const nudged = `${chosen.id} ${joint}`;
  const goesOn = sender.waiting && editor.nudged === nudged;
  editor.nudged = nudged;
  const revision = editor.protocol.nextRevision();
  if (goesOn) sheet.amend(revision);
  else sheet.commit(before, revision);
  sender.flushSoon();
  editor.draw();
  return true;
}

// --- joint by joint ---

/** @param {Editor} editor */
export function beginChain(editor) {
  editor.setMode({ kind: "place", chain: true, person: null, joint: 0, label: VISIBLE });
}

/**
 * Puts the joint that is asked for where somebody clicked.
 *
 * @param {Editor} editor
 * @param {Point} source
 * @param {boolean} hidden
 */
export function placeJoint(editor, source, hidden) {
  const { mode, sheet, data } = editor;
  const [x, y] = source;
  if (mode?.kind !== "place" || x < 0 || y < 0 || x > data.width || y > data.height) return;
  const before = sheet.snapshot();
  let person = sheet.person(mode.person);
  if (!person) {
    person = newPerson(data.skeleton.names.length);
    sheet.people.push(person);
  }
  putJoint(person, mode.joint, source, hidden ? HIDDEN : mode.label, data);
  accept(person);
  editor.choose(person.id, mode.joint);
  editor.setMode({ ...mode, person: person.id });
  skipJoint(editor);
  commit(editor, before);
}

/**
 * Asks for the next joint of a chain that has no place yet; ends the mode after the last one.
 *
 * @param {Editor} editor
 */
export function skipJoint(editor) {
  const { mode, sheet, data } = editor;
  if (mode?.kind !== "place") return;
  const joints = sheet.person(mode.person)?.joints;
  const next = data.skeleton.names.findIndex(
    (_, index) => index > mode.joint && (!joints || joints[index][2] === UNLABELLED),
  );
  editor.setMode(mode.chain && next >= 0 ? { ...mode, joint: next } : null);
}

// --- pictures ---

/**
 * Finishes the picture: proposals become labels, or nobody is in it; then on to the next one that is not finished.
 *
 * @param {Editor} editor
 */
export function finish(editor) {
  const { sheet, data, protocol, sender } = editor;
  const before = sheet.snapshot();
  sheet.people.forEach(accept);
  if (data.open) protocol.wanted = { picture: data.open, attempt: null };
  if (!sheet.done) commit(editor, before, true);
  else if (protocol.wanted) sender.flush();
}

/**
 * @param {Editor} editor
 * @param {string | null} picture
 */
export function goTo(editor, picture) {
  if (!picture) return;
  editor.protocol.wanted = { picture, attempt: null };
  editor.sender.flush();
}
