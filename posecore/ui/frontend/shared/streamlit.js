// What Streamlit gives to a component, and one view for each place on the page where one stands.

/**
 * @template Data
 * @typedef {object} Component
 * @property {Data} data What Python says.
 * @property {ParentNode} parentElement The place on the page; what the component's HTML file holds is in it.
 * @property {(name: string, value: unknown) => void} setTriggerValue Tells Python.
 */

/**
 * A function that gives each place its view, built when the component stands there for the first time. Streamlit calls a
 * component again whenever Python says something, and the view goes on.
 *
 * @template View
 * @param {(root: ParentNode) => View} build
 * @returns {(root: ParentNode) => View}
 */
export function onePerPlace(build) {
  /** @type {WeakMap<ParentNode, View>} */
  const views = new WeakMap();
  return (root) => {
    const known = views.get(root);
    if (known !== undefined) return known;
    const view = build(root);
    views.set(root, view);
    return view;
  };
}
