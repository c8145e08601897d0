// Runs the whole page once more when it is asked to. A part of the page that runs on its own is unknown to a server that
// was started anew, until the whole page has run there; this makes it run. Trigger: wake = a number.

import { WAKE } from "../shared/wake.js";

/** @import { Component } from "../shared/streamlit.js" */

let calls = 0;
/** @type {WeakMap<ParentNode, () => void>} */
const listeners = new WeakMap();

/** @param {Component<object>} component */
export default function ({ parentElement, setTriggerValue }) {
  const before = listeners.get(parentElement);
  if (before) window.removeEventListener(WAKE, before);
  const listener = () => {
    calls += 1;
    setTriggerValue("wake", calls);
  };
  listeners.set(parentElement, listener);
  window.addEventListener(WAKE, listener);
  return () => window.removeEventListener(WAKE, listener);
}
