// The label editor: people as skeletons over a picture, moved with mouse, finger or keys. Trigger: event = a message of the
// protocol (protocol.js).

import { element, find } from "../shared/elements.js";
import { onePerPlace } from "../shared/streamlit.js";
import { acceptPerson, beginChain, copyBefore, finish, goTo, removePerson, setLabel, stepBack } from "./changes.js";
import { Editor } from "./editor.js";
import { listenToPointers } from "./gestures.js";
import { listenToKeys } from "./keys.js";
import { stateButtons } from "./panel.js";
import { KEYS, STATES, UNLABELLED, VISIBLE } from "./states.js";

/** @import { Component } from "../shared/streamlit.js" */
/** @import { Data } from "./editor.js" */

/** @param {ParentNode} root */
function build(root) {
  const editor = new Editor(root);
  const { parts, buttons } = editor;
  listenToPointers(editor);
  listenToKeys(editor);
  buttons.ask.onclick = () => editor.showKeys(!editor.keysShown);
  buttons.undo.onclick = () => stepBack(editor, "undo");
  buttons.redo.onclick = () => stepBack(editor, "redo");
  buttons.add.onclick = () => editor.setMode(editor.mode?.kind === "box" ? null : { kind: "box" });
  buttons.chain.onclick = () => {
    if (editor.mode?.kind === "place" && editor.mode.chain) editor.setMode(null);
    else beginChain(editor);
  };
  buttons.copy.onclick = () => copyBefore(editor);
  buttons.accept.onclick = () => acceptPerson(editor);
  buttons.remove.onclick = () => removePerson(editor);
  buttons.finish.onclick = () => finish(editor);
  buttons.previous.onclick = () => goTo(editor, editor.data.previous);
  buttons.next.onclick = () => goTo(editor, editor.data.next);
  find(parts.trouble, "button", HTMLButtonElement).onclick = () => editor.sender.flush();
  parts.keys.append(...KEYS.flatMap(([keys, words]) => [element("b", keys), element("span", words)]));
  parts.states.append(...stateButtons());
  onPress(parts.states, (index) => setLabel(editor, STATES[index].label));
  onPress(parts.people, (index) => {
    editor.choose(editor.sheet.people[index].id);
    editor.draw();
  });
  onPress(parts.joints, (index) => pickJoint(editor, index));
  return editor;
}

/**
 * Listens to the buttons of a list, which come and go.
 *
 * @param {HTMLElement} list
 * @param {(index: number) => void} act
 */
function onPress(list, act) {
  list.addEventListener("click", ({ target }) => {
    const button = target instanceof Element ? target.closest("button") : null;
    if (button) act([...list.children].indexOf(button));
  });
}

/**
 * Chooses a joint in the list; one that is nowhere yet is placed by the next click.
 *
 * @param {Editor} editor
 * @param {number} joint
 */
function pickJoint(editor, joint) {
  const { chosen } = editor;
  if (!chosen) return;
  editor.joint = joint;
  const unlabelled = chosen.joints[joint][2] === UNLABELLED;
  editor.setMode(unlabelled ? { kind: "place", chain: false, person: chosen.id, joint, label: VISIBLE } : null);
  editor.draw();
}

const editorAt = onePerPlace(build);

/** @param {Component<Data>} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const editor = editorAt(parentElement);
  editor.sender.trigger = setTriggerValue;
  editor.receive(data);
  // The browser asks before it drops what was not sent yet.
  /** @param {BeforeUnloadEvent} event */
  const warn = (event) => {
    if (editor.protocol.pending.length) event.preventDefault();
  };
  window.addEventListener("beforeunload", warn);
  return () => {
    window.removeEventListener("beforeunload", warn);
    // The page is left, or the element is set up once more: what was not sent yet is sent.
    if (editor.sender.waiting) editor.sender.flush();
  };
}
