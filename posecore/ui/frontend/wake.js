// Runs the whole page once more when the event "posecore-wake" happens in the window. A part of the page that runs on
// its own is unknown to a server that was started anew, until the whole page has run there; this makes it run.
// Trigger: wake = a number.

const listeners = new WeakMap();
let calls = 0;

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  window.removeEventListener("posecore-wake", listeners.get(parentElement));
  const listener = () => setTriggerValue("wake", (calls += 1));
  listeners.set(parentElement, listener);
  window.addEventListener("posecore-wake", listener);
  return () => window.removeEventListener("posecore-wake", listener);
}
