// What the keyboard does in the editor.

import { beginChain, copyBefore, finish, goTo, nudge, removePerson, setLabel, skipJoint, stepBack } from "./changes.js";
import { restore } from "./gestures.js";
import { STATES, UNLABELLED } from "./states.js";

/** @import { Editor } from "./editor.js" */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FAR = 10; // Pixels that an arrow moves a joint with Shift.

/** @type {Record<string, (editor: Editor) => void>} */
const COMMANDS = {
  Escape: leave,
  Enter: (editor) => (editor.mode ? editor.setMode(null) : finish(editor)),
  PageDown: (editor) => goTo(editor, editor.data.next),
  PageUp: (editor) => goTo(editor, editor.data.previous),
  n: (editor) => goTo(editor, editor.data.next),
  b: (editor) => goTo(editor, editor.data.previous),
  "[": (editor) => walk(editor, -1),
  "]": (editor) => walk(editor, 1),
  q: nextPerson,
  p: (editor) => editor.setMode({ kind: "box" }),
  j: beginChain,
  c: copyBefore,
  s: (editor) => {
    if (editor.mode?.kind === "place" && editor.mode.chain) skipJoint(editor);
  },
  "?": (editor) => editor.showKeys(!editor.keysShown),
};

/** @param {Editor} editor */
export function listenToKeys(editor) {
  editor.root.addEventListener("keydown", (event) => {
    if (!editor.shown || !act(editor, event)) return;
    event.preventDefault();
    // The page around has single-letter keys of its own.
    event.stopPropagation();
  });
}

/**
 * Does what a key means. Returns whether it means something.
 *
 * @param {Editor} editor
 * @param {KeyboardEvent} event
 */
function act(editor, event) {
  const { key } = event;
  const letter = key.length === 1 ? key.toLowerCase() : key;
  if (event.ctrlKey || event.metaKey) return actWithControl(editor, letter, event.shiftKey);
  if (event.altKey || (presses(key) && event.composedPath()[0] instanceof HTMLButtonElement)) return false;
  if (key in ARROWS) return arrow(editor, key, event.shiftKey);
  const state = STATES.find((one) => one.key.toLowerCase() === letter);
  if (state) setLabel(editor, state.label);
  else if (key === "Delete" || key === "Backspace") remove(editor, event.shiftKey);
  else if (letter in COMMANDS) COMMANDS[letter](editor);
  else return editor.stage.key(key);
  return true;
}

/**
 * Whether a key presses the button that has the focus.
 *
 * @param {string} key
 */
function presses(key) {
  return key === "Enter" || key === " ";
}

/**
 * @param {Editor} editor
 * @param {string} letter
 * @param {boolean} shift
 */
function actWithControl(editor, letter, shift) {
  if (letter !== "z" && letter !== "y") return false;
  stepBack(editor, letter === "z" && !shift ? "undo" : "redo");
  return true;
}

/**
 * @param {Editor} editor
 * @param {string} key
 * @param {boolean} shift
 */
function arrow(editor, key, shift) {
  const [dx, dy] = ARROWS[key].map((part) => part * (shift ? FAR : 1));
  return nudge(editor, dx, dy) || editor.stage.key(key);
}

/**
 * @param {Editor} editor
 * @param {boolean} whole
 */
function remove(editor, whole) {
  if (whole) removePerson(editor);
  else setLabel(editor, UNLABELLED);
}

/** @param {Editor} editor */
function leave(editor) {
  if (editor.keysShown) {
    editor.showKeys(false);
    return;
  }
  if (editor.gesture) restore(editor);
  else if (editor.mode) editor.setMode(null);
  else {
    editor.note("");
    editor.joint = null;
  }
  editor.draw();
}

/**
 * @param {Editor} editor
 * @param {number} by
 */
function walk(editor, by) {
  if (!editor.chosen) return;
  const count = editor.data.skeleton.names.length;
  const from = editor.joint ?? (by > 0 ? -1 : count);
  editor.joint = (from + by + count) % count;
  editor.draw();
}

/** @param {Editor} editor */
function nextPerson(editor) {
  const { people } = editor.sheet;
  const index = people.findIndex(({ id }) => id === editor.person);
  editor.choose(people[(index + 1) % people.length]?.id ?? null);
  editor.draw();
}
