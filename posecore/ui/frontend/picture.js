// A picture on which a part can be chosen by dragging, and which names the joint under the pointer.
// data: image (data URL), token (changes with the image), alt, width and height (source pixels), room (CSS length),
//       people ([[x, y, label], …] in source pixels), region (whether a part is chosen), parts (whether one can be)
// Triggers: region = [x0, y0, x1, y1] in source pixels, or "whole".

const views = new WeakMap();
const NEAR = 14; // CSS pixels around a joint in which it is named.
const SMALLEST = 12; // CSS pixels below which a drag was a click.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = views.get(parentElement);
  if (!view) {
    view = build(parentElement);
    views.set(parentElement, view);
  }
  view.send = setTriggerValue;
  show(view, data);
}

function build(root) {
  const find = (name) => root.querySelector("." + name);
  const view = { frame: find("frame"), image: find("shown"), box: find("box"), tip: find("tip"), start: null };
  view.whole = find("whole");
  view.choose = find("choose");
  view.frame.onpointerdown = (event) => press(view, event);
  view.frame.onpointermove = (event) => (view.start ? stretch(view, event) : hint(view, event));
  view.frame.onpointerup = (event) => release(view, event);
  view.frame.onpointercancel = () => drop(view);
  view.frame.onpointerleave = () => (view.tip.style.display = "none");
  // In braces: a handler that returns false would swallow the key, Tab included.
  view.frame.onkeydown = (event) => {
    if (event.key === "Escape") drop(view);
  };
  view.choose.onclick = () => choosing(view, !view.frame.classList.contains("choosing"));
  view.whole.onclick = () => view.send("region", "whole");
  find("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : view.frame.requestFullscreen());
  return view;
}

function show(view, data) {
  view.data = data;
  view.whole.hidden = !data.region;
  view.choose.hidden = !data.parts;
  if (view.token === data.token) return;
  view.token = data.token;
  const next = new Image();
  next.src = data.image;
  // Decoded before it is shown: the picture changes in one step and never flickers.
  const swap = () => {
    if (view.token !== data.token) return;
    view.frame.style.setProperty("--ratio", data.width / data.height);
    view.frame.style.setProperty("--room", data.room);
    view.image.src = next.src;
    view.image.alt = data.alt;
    view.frame.dataset.shown = data.token;
  };
  next.decode().then(swap, swap);
}

// Where the picture lies in the frame (it is letterboxed in full screen), and source pixels per CSS pixel.
function placement(view) {
  const area = view.frame.getBoundingClientRect();
  const scale = Math.max(view.data.width / area.width, view.data.height / area.height);
  const left = (area.width - view.data.width / scale) / 2;
  const top = (area.height - view.data.height / scale) / 2;
  return { area, scale, left, top };
}

function at(view, event) {
  const { area, scale, left, top } = placement(view);
  const clamp = (value, size) => Math.min(Math.max(value, 0), size);
  const x = clamp(event.clientX - area.left, area.width);
  const y = clamp(event.clientY - area.top, area.height);
  const inside = { x: clamp((x - left) * scale, view.data.width), y: clamp((y - top) * scale, view.data.height) };
  return { x, y, ...{ sourceX: inside.x, sourceY: inside.y } };
}

function press(view, event) {
  if (event.button !== 0 || !view.data.parts || event.target.closest(".tools")) return;
  // A finger scrolls the page unless the tool was chosen; a mouse may drag at any time.
  if (event.pointerType !== "mouse" && !view.frame.classList.contains("choosing")) return;
  event.preventDefault();
  view.frame.setPointerCapture(event.pointerId);
  view.start = at(view, event);
  view.tip.style.display = "none";
}

function stretch(view, event) {
  const here = at(view, event);
  const style = view.box.style;
  style.left = Math.min(here.x, view.start.x) + "px";
  style.top = Math.min(here.y, view.start.y) + "px";
  style.width = Math.abs(here.x - view.start.x) + "px";
  style.height = Math.abs(here.y - view.start.y) + "px";
  style.display = "block";
}

function release(view, event) {
  if (!view.start) return;
  const start = view.start;
  const here = at(view, event);
  drop(view);
  if (Math.abs(here.x - start.x) < SMALLEST || Math.abs(here.y - start.y) < SMALLEST) return;
  choosing(view, false);
  const xs = [start.sourceX, here.sourceX].map(Math.round).sort((a, b) => a - b);
  const ys = [start.sourceY, here.sourceY].map(Math.round).sort((a, b) => a - b);
  view.send("region", [xs[0], ys[0], xs[1], ys[1]]);
}

function drop(view) {
  view.start = null;
  view.box.style.display = "none";
}

function choosing(view, on) {
  view.frame.classList.toggle("choosing", on);
  view.choose.setAttribute("aria-pressed", String(on));
}

function hint(view, event) {
  view.frame.classList.toggle("mouse", view.data.parts && event.pointerType === "mouse");
  const { scale, left, top } = placement(view);
  const here = at(view, event);
  let best = null;
  let nearest = NEAR;
  for (const [x, y, label] of view.data.people) {
    const distance = Math.hypot(x / scale + left - here.x, y / scale + top - here.y);
    if (distance < nearest) [nearest, best] = [distance, { x: x / scale + left, y: y / scale + top, label }];
  }
  view.tip.style.display = best && !event.target.closest(".tools") ? "block" : "none";
  if (!best) return;
  view.tip.textContent = best.label;
  const room = view.frame.clientWidth - view.tip.offsetWidth - 4;
  view.tip.style.left = Math.max(4, Math.min(best.x + 12, room)) + "px";
  view.tip.style.top = Math.max(4, best.y - 32) + "px";
}
