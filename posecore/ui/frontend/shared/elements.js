// Elements of a page: finding them in a component's HTML, making new ones.

const SVG = "http://www.w3.org/2000/svg";

/**
 * The element of a component's HTML that a selector means. Throws where there is none, or one of another kind.
 *
 * @template {Element} Kind
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function find(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`There is no ${selector} here.`);
  return found;
}

/**
 * The buttons of a component's HTML, by class.
 *
 * @template {string} Name
 * @param {ParentNode} root
 * @param {readonly Name[]} names
 * @returns {Record<Name, HTMLButtonElement>}
 */
export function findButtons(root, ...names) {
  const found = names.map((name) => [name, find(root, `button.${name}`, HTMLButtonElement)]);
  return Object.fromEntries(found);
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [text]
 */
export function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/**
 * Adds a shape to a drawing.
 *
 * @param {Element} parent
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
export function addShape(parent, name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, String(value));
  parent.append(made);
  return made;
}

/**
 * Whether an event comes from within a part of the page.
 *
 * @param {Event} event
 * @param {string} selector
 */
export function isFrom(event, selector) {
  return event.target instanceof Element && event.target.closest(selector) !== null;
}

/**
 * Puts an element on the whole screen, or back.
 *
 * @param {Element} shown
 */
export function toggleFullScreen(shown) {
  if (document.fullscreenElement) document.exitFullscreen();
  else shown.requestFullscreen();
}
