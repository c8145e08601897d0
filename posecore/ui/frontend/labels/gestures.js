// What mouse, pen and fingers do to the picture and the people on it.

import { isFrom } from "../shared/elements.js";
import { boxBetween, clampTo } from "../shared/geometry.js";
import { addInBox, commit, placeJoint, setLabel } from "./changes.js";
import { accept, isPlaced, movePerson, putJoint } from "./people.js";
import { HIDDEN, VISIBLE } from "./states.js";

/** @import { Box, Point } from "../shared/geometry.js" */
/** @import { Editor } from "./editor.js" */
/** @import { Hit, Spot } from "./hits.js" */
/** @import { Person } from "./people.js" */
/** @import { Sheet, Snapshot } from "./sheet.js" */

/**
 * Something that was begun by pressing.
 *
 * @typedef {object} Gesture
 * @property {"pinch" | "pan" | "place" | "box" | "joint" | "person"} kind
 * @property {Point} start Where it began, in the frame and on the picture.
 * @property {Point} source
 * @property {boolean} moved
 * @property {Sheet} sheet
 * @property {Snapshot} before
 * @property {{ person: Person, origin: Person, joint: number | null } | null} target Who is dragged, and as it was.
 * @property {Box | null} box What was dragged.
 */

const STILL = 3; // CSS pixels that the pointer may move and still click.

/** @param {Editor} editor */
export function listenToPointers(editor) {
  const { frame } = editor.stage;
  /** @type {["pointerdown" | "pointermove" | "pointerup" | "pointercancel", (editor: Editor, event: PointerEvent) => void][]} */
  const heard = [
    ["pointerdown", press],
    ["pointermove", move],
    ["pointerup", release],
    ["pointercancel", abandon],
  ];
  for (const [name, act] of heard) {
    frame.addEventListener(name, (event) => {
      if (editor.shown) act(editor, event);
    });
  }
  frame.addEventListener("pointerleave", () => editor.shown && editor.hint(null));
  frame.addEventListener("dblclick", (event) => editor.shown && doubleClick(editor, event));
}

/**
 * @param {Editor} editor
 * @param {PointerEvent} event
 */
function press(editor, event) {
  if (event.button !== 0 || isFrom(event, ".keys")) return;
  const { stage, pointers, sheet } = editor;
  const start = stage.at(event);
  pointers.put(event.pointerId, start);
  stage.frame.setPointerCapture(event.pointerId);
  stage.frame.focus({ preventScroll: true });
  // A second finger: it was the beginning of a pinch, nothing else.
  if (pointers.count > 1) restore(editor);
  const spot = editor.spot(event);
  const begun = { start, source: spot.source, moved: false, sheet, before: sheet.snapshot(), box: null };
  if (pointers.count > 1) editor.gesture = { ...begun, kind: "pinch", target: null };
  else if (editor.mode) editor.gesture = { ...begun, kind: editor.mode.kind, target: null };
  else {
    editor.note("");
    editor.gesture = { ...begun, ...take(editor, editor.under(spot), event.shiftKey) };
  }
}

/**
 * What a press on something begins; who was pressed is chosen.
 *
 * @param {Editor} editor
 * @param {Hit | null} found
 * @param {boolean} whole Whether the whole person is meant, wherever it was pressed.
 * @returns {Pick<Gesture, "kind" | "target">}
 */
function take(editor, found, whole) {
  if (!found) return { kind: "pan", target: null };
  const { person, joint } = found;
  editor.choose(person.id, joint);
  editor.draw();
  const target = { person, joint, origin: structuredClone(person) };
  return { kind: joint === null || whole ? "person" : "joint", target };
}

/**
 * @param {Editor} editor
 * @param {PointerEvent} event
 */
function move(editor, event) {
  const { stage, pointers, gesture } = editor;
  if (!pointers.isDown(event.pointerId)) {
    editor.hint(editor.spot(event));
    return;
  }
  const place = stage.at(event);
  if (gesture?.kind === "pinch") {
    stage.pinch(pointers.pinch(event.pointerId, place));
    return;
  }
  if (gesture && !gesture.moved) {
    gesture.moved = Math.hypot(place[0] - gesture.start[0], place[1] - gesture.start[1]) > STILL;
  }
  const step = pointers.move(event.pointerId, place);
  if (gesture?.moved) drag(editor, gesture, editor.spot(event), step);
}

/**
 * @param {Editor} editor
 * @param {Gesture} gesture
 * @param {Spot} spot
 * @param {Point} step CSS pixels from where the pointer was.
 */
function drag(editor, gesture, { source }, step) {
  const { stage, data } = editor;
  const { kind, target } = gesture;
  stage.frame.classList.add("dragging");
  editor.hint(null);
  if (kind === "pan" || kind === "place") stage.panBy(...step);
  else if (kind === "box") gesture.box = boxBetween(clampTo(gesture.source, data), clampTo(source, data));
  else if (target) dragPerson(editor, kind, target, [source[0] - gesture.source[0], source[1] - gesture.source[1]]);
  editor.draw();
}

/**
 * @param {Editor} editor
 * @param {Gesture["kind"]} kind
 * @param {NonNullable<Gesture["target"]>} target
 * @param {Point} by Source pixels.
 */
function dragPerson({ data }, kind, { person, origin, joint }, [dx, dy]) {
  const from = kind === "joint" && joint !== null ? origin.joints[joint] : null;
  if (!from || joint === null) movePerson(person, origin, [dx, dy], data);
  else if (isPlaced(from)) putJoint(person, joint, [from[0] + dx, from[1] + dy], from[2], data);
}

/**
 * @param {Editor} editor
 * @param {PointerEvent} event
 */
function release(editor, event) {
  const { gesture } = editor;
  lift(editor, event);
  if (!gesture || gesture.kind === "pinch") return;
  const { kind, moved, target, box, before } = gesture;
  if (kind === "box") addInBox(editor, moved ? box : null);
  else if (kind === "place" && !moved) placeJoint(editor, editor.spot(event).source, event.shiftKey);
  else if (target && moved) {
    accept(target.person);
    commit(editor, before);
  } else if (kind === "pan" && !moved) {
    editor.joint = null;
    editor.draw();
  }
}

/**
 * @param {Editor} editor
 * @param {PointerEvent} event
 */
function lift(editor, event) {
  editor.pointers.lift(event.pointerId);
  editor.stage.frame.classList.remove("dragging");
  if (!editor.pointers.count) editor.gesture = null;
}

/**
 * @param {Editor} editor
 * @param {PointerEvent} event
 */
function abandon(editor, event) {
  restore(editor);
  lift(editor, event);
  editor.draw();
}

/**
 * Takes a gesture back that is not finished.
 *
 * @param {Editor} editor
 */
export function restore(editor) {
  const target = editor.gesture?.target;
  if (target) Object.assign(target.person, target.origin);
  editor.gesture = null;
}

/**
 * @param {Editor} editor
 * @param {MouseEvent} event
 */
function doubleClick(editor, event) {
  if (editor.mode || isFrom(event, ".keys")) return;
  const found = editor.under(editor.spot(event));
  if (!found || found.joint === null) return;
  editor.choose(found.person.id, found.joint);
  setLabel(editor, found.person.joints[found.joint][2] === VISIBLE ? HIDDEN : VISIBLE);
}
