// Beside the picture: who is on it, the joints of the person who is chosen, and what a joint can be.

import { element } from "../shared/elements.js";
import { inWords, STATES, stateOf, VISIBLE } from "./states.js";

/** @import { Editor } from "./editor.js" */
/** @import { Person } from "./people.js" */

/**
 * The buttons of all states, in the order of `STATES`.
 *
 * @returns {HTMLButtonElement[]}
 */
export function stateButtons() {
  return STATES.map(({ word, help, key }) => {
    const button = newButton();
    button.textContent = `${word} `;
    button.title = `${help} (${key})`;
    button.append(element("kbd", key));
    return button;
  });
}

/** @param {Editor} editor */
export function showPanel(editor) {
  const { parts, sheet, chosen, buttons } = editor;
  fill(parts.people, sheet.people.length, (button, index) => showPerson(button, sheet.people[index], index, chosen));
  const joints = chosen?.joints ?? [];
  fill(parts.joints, joints.length, (button, index) => showJoint(editor, button, index, joints[index][2]));
  const label = chosen && editor.joint !== null ? chosen.joints[editor.joint][2] : null;
  STATES.forEach((state, index) => {
    const button = /** @type {HTMLButtonElement} */ (parts.states.children[index]);
    button.disabled = label === null;
    button.setAttribute("aria-pressed", String(state.label === label));
  });
  parts.states.hidden = !chosen;
  buttons.remove.hidden = !chosen;
  buttons.accept.hidden = !chosen?.proposed;
}

/**
 * @param {HTMLButtonElement} button
 * @param {Person} person
 * @param {number} index
 * @param {Person | null} chosen
 */
function showPerson(button, person, index, chosen) {
  button.textContent = `Person ${index + 1}${person.proposed ? " ?" : ""}`;
  button.classList.toggle("proposed", person.proposed);
  button.title = proposalInWords(person);
  button.setAttribute("aria-pressed", String(person === chosen));
}

/** @param {Person} person */
function proposalInWords({ proposed, score }) {
  if (!proposed) return "";
  return score ? `Proposed by a model, not confirmed, mean score ${score.toFixed(2)}` : "Not confirmed yet";
}

/**
 * @param {Editor} editor
 * @param {HTMLButtonElement} button
 * @param {number} index
 * @param {number} label
 */
function showJoint({ parts, data, joint }, button, index, label) {
  const state = stateOf(label);
  if (!button.firstChild) button.append(element("i"), element("span"), element("small"));
  button.className = `is-${state.look}`;
  button.style.setProperty("--side", data.colors[data.skeleton.sides[index]]);
  button.children[1].textContent = inWords(data.skeleton.names[index]);
  button.children[2].textContent = label === VISIBLE ? "" : state.word.toLowerCase();
  const chosen = index === joint;
  if (chosen && button.getAttribute("aria-pressed") !== "true") reveal(parts.joints, button);
  button.setAttribute("aria-pressed", String(chosen));
}

/**
 * As many buttons as there are things, each brought up to date in place so that the one with the focus keeps it.
 *
 * @param {HTMLElement} parent
 * @param {number} count
 * @param {(button: HTMLButtonElement, index: number) => void} update
 */
function fill(parent, count, update) {
  while (parent.children.length > count) parent.lastChild?.remove();
  while (parent.children.length < count) parent.append(newButton());
  [...parent.children].forEach((button, index) => {
    update(/** @type {HTMLButtonElement} */ (button), index);
  });
}

function newButton() {
  const button = element("button");
  button.type = "button";
  return button;
}

/**
 * Scrolls the list alone: the page stays where it is.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement} button
 */
function reveal(list, button) {
  const top = button.offsetTop - list.offsetTop;
  const bottom = top + button.offsetHeight;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}
