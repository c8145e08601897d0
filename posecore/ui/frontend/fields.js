// A picture with a map over it: zoom, pan, the value under the pointer, and marks that stay crisp at every zoom.
// data: image (data URL), token (changes with the image), picture (changes with the picture), alt,
//       width and height (source pixels), room (CSS length), joints ([[x, y, label], …]), marks (see draw), and
//       values, legend, or null. Positions count from the picture's top left edge.
// Triggers: spot = [x, y, reach] in source pixels.

const views = new WeakMap();
const NEAR = 14; // CSS pixels around a joint in which it is meant.
const STILL = 4; // CSS pixels that the pointer may move and still click.
const DEEPEST = 24;
const SVG = "http://www.w3.org/2000/svg";

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
  const view = { zoom: 1, x: 0, y: 0, pointers: new Map(), press: null };
  for (const name of ["frame", "stage", "shown", "marks", "tip", "readout", "legend"]) view[name] = find(name);
  const { frame } = view;
  frame.onpointerdown = (event) => press(view, event);
  frame.onpointermove = (event) => move(view, event);
  frame.onpointerup = (event) => release(view, event);
  frame.onpointercancel = (event) => forget(view, event);
  frame.onpointerleave = () => hush(view);
  frame.ondblclick = (event) => event.target.closest(".tools") || fit(view);
  frame.onkeydown = (event) => key(view, event);
  frame.addEventListener("wheel", (event) => wheel(view, event), { passive: false });
  find("in").onclick = () => zoomBy(view, 1.5);
  find("out").onclick = () => zoomBy(view, 1 / 1.5);
  find("fit").onclick = () => fit(view);
  find("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen());
  new ResizeObserver(() => view.data && place(view)).observe(frame);
  return view;
}

function show(view, data) {
  const other = view.data?.picture !== data.picture;
  view.data = data;
  view.values = data.values && { ...data.values, cells: floats(data.values.cells) };
  view.frame.setAttribute("aria-label", data.alt);
  view.frame.classList.toggle("sheet", !data.values && !data.joints.length);
  if (other) Object.assign(view, { zoom: 1, x: 0, y: 0 });
  legend(view);
  place(view);
  if (view.token === data.token) return;
  view.token = data.token;
  const next = new Image();
  next.src = data.image;
  // Decoded before it is shown: the picture changes in one step and never flickers.
  const swap = () => {
    if (view.token !== data.token) return;
    view.frame.style.setProperty("--ratio", data.width / data.height);
    view.frame.style.setProperty("--room", data.room);
    view.shown.src = next.src;
    view.shown.alt = data.alt;
    view.frame.dataset.shown = data.token;
    place(view);
  };
  next.decode().then(swap, swap);
}

function floats(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

function legend(view) {
  const { legend: content } = view.data;
  view.legend.hidden = !content;
  if (!content) return;
  view.legend.style.setProperty("--colors", content.colors);
  view.legend.querySelector(".low").textContent = content.low;
  view.legend.querySelector(".high").textContent = content.high;
}

// --- where things are: the picture fills the frame (letterboxed in full screen), then zoom and pan ---

function layout(view) {
  const width = view.frame.clientWidth;
  const height = view.frame.clientHeight;
  const scale = Math.min(width / view.data.width, height / view.data.height);
  const left = (width - view.data.width * scale) / 2;
  const top = (height - view.data.height * scale) / 2;
  return { width, height, scale, left, top };
}

function place(view) {
  const { width, height, scale, left, top } = layout(view);
  view.x = Math.min(0, Math.max(view.x, width * (1 - view.zoom)));
  view.y = Math.min(0, Math.max(view.y, height * (1 - view.zoom)));
  Object.assign(view.shown.style, {
    left: left + "px",
    top: top + "px",
    width: view.data.width * scale + "px",
    height: view.data.height * scale + "px",
  });
  view.stage.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  view.frame.classList.toggle("zoomed", view.zoom > 1);
  view.frame.dataset.zoom = view.zoom.toFixed(2);
  draw(view);
}

function toFrame(view, [x, y]) {
  const { scale, left, top } = layout(view);
  return [(x * scale + left) * view.zoom + view.x, (y * scale + top) * view.zoom + view.y];
}

function pointer(view, event) {
  const area = view.frame.getBoundingClientRect();
  const [x, y] = [event.clientX - area.left, event.clientY - area.top];
  const { scale, left, top } = layout(view);
  const source = [((x - view.x) / view.zoom - left) / scale, ((y - view.y) / view.zoom - top) / scale];
  return { x, y, source, reach: NEAR / scale / view.zoom };
}

function zoomBy(view, factor, at = null) {
  const centre = at ?? { x: view.frame.clientWidth / 2, y: view.frame.clientHeight / 2 };
  const zoom = Math.min(Math.max(view.zoom * factor, 1), DEEPEST);
  view.x = centre.x - ((centre.x - view.x) * zoom) / view.zoom;
  view.y = centre.y - ((centre.y - view.y) * zoom) / view.zoom;
  view.zoom = zoom;
  place(view);
}

function fit(view) {
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  place(view);
}

// --- pointer, wheel and keys ---

function press(view, event) {
  if (event.button !== 0 || event.target.closest(".tools")) return;
  view.pointers.set(event.pointerId, pointer(view, event));
  view.press = view.pointers.size === 1 ? pointer(view, event) : null;
  if (event.pointerType === "mouse" || view.zoom > 1) view.frame.setPointerCapture(event.pointerId);
}

function move(view, event) {
  const here = pointer(view, event);
  const before = view.pointers.get(event.pointerId);
  if (!before) return event.target.closest(".tools") ? hush(view) : hint(view, here);
  if (view.press && Math.hypot(here.x - view.press.x, here.y - view.press.y) <= STILL) return;
  view.press = null;
  const [a, b] = [...view.pointers.values()];
  if (b) {
    const other = before === a ? b : a;
    const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
    zoomBy(view, spread(here) / Math.max(spread(before), 1), { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  } else {
    view.x += here.x - before.x;
    view.y += here.y - before.y;
    view.frame.classList.add("panning");
    place(view);
  }
  view.pointers.set(event.pointerId, here);
  hush(view);
}

function release(view, event) {
  const click = view.press;
  forget(view, event);
  if (click) view.send("spot", [click.source[0], click.source[1], click.reach]);
}

function forget(view, event) {
  view.pointers.delete(event.pointerId);
  view.press = null;
  view.frame.classList.remove("panning");
}

function wheel(view, event) {
  // At full view, turning the wheel towards oneself scrolls the page as everywhere else.
  if (view.zoom === 1 && event.deltaY > 0) return;
  event.preventDefault();
  zoomBy(view, Math.exp(-event.deltaY / 400), pointer(view, event));
}

function key(view, event) {
  const step = 60;
  const pans = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (event.key === "+" || event.key === "=") zoomBy(view, 1.5);
  else if (event.key === "-") zoomBy(view, 1 / 1.5);
  else if (event.key === "0") fit(view);
  else if (pans[event.key] && view.zoom > 1) {
    view.x += pans[event.key][0];
    view.y += pans[event.key][1];
    place(view);
  } else return;
  event.preventDefault();
}

// --- what is under the pointer ---

function hush(view) {
  view.tip.style.display = "none";
  view.readout.style.display = "none";
}

function hint(view, here) {
  const [x, y] = here.source;
  const inside = x >= 0 && y >= 0 && x < view.data.width && y < view.data.height;
  view.readout.style.display = inside ? "block" : "none";
  if (inside) {
    const value = view.values && reading(view.values, x, y);
    view.readout.textContent = `x ${Math.floor(x)}  y ${Math.floor(y)}` + (value ? `  ·  ${value}` : "");
  }
  let best = null;
  let nearest = here.reach;
  for (const [jointX, jointY, label] of view.data.joints) {
    const distance = Math.hypot(jointX - x, jointY - y);
    if (distance < nearest) [nearest, best] = [distance, { at: [jointX, jointY], label }];
  }
  view.tip.style.display = best ? "block" : "none";
  if (!best) return;
  const [left, top] = toFrame(view, best.at);
  view.tip.textContent = best.label;
  const room = view.frame.clientWidth - view.tip.offsetWidth - 4;
  view.tip.style.left = Math.max(4, Math.min(left + 12, room)) + "px";
  view.tip.style.top = Math.max(4, top - 32) + "px";
}

// The map's value in words, bilinear between the centres of its cells as the colours are.
function reading(values, x, y) {
  const { columns, rows, parts, start, step, inside, cells, label, units } = values;
  if (x < inside[0] || y < inside[1] || x >= inside[2] || y >= inside[3]) return "not seen by the network";
  const clamp = (value, count) => Math.min(Math.max(value, 0), count - 1);
  const u = clamp((x - start[0]) / step[0], columns);
  const v = clamp((y - start[1]) / step[1], rows);
  const [i, j] = [Math.min(Math.floor(u), Math.max(columns - 2, 0)), Math.min(Math.floor(v), Math.max(rows - 2, 0))];
  const at = (part, row, column) =>
    cells[(part * rows + Math.min(row, rows - 1)) * columns + Math.min(column, columns - 1)];
  const mix = (a, b, share) => a + (b - a) * share;
  const read = (part) =>
    mix(mix(at(part, j, i), at(part, j, i + 1), u - i), mix(at(part, j + 1, i), at(part, j + 1, i + 1), u - i), v - j);
  if (parts === 1) return `${label} ${read(0).toFixed(3)}${units}`;
  const [a, b] = [read(0), read(1)];
  return `${label} (${a.toFixed(2)}, ${b.toFixed(2)})${units}, length ${Math.hypot(a, b).toFixed(2)}`;
}

// --- marks: {kind: "path" | "line" | "ring", points, look, labels} ---

function draw(view) {
  view.marks.replaceChildren();
  for (const mark of view.data.marks) {
    const points = mark.points.map((point) => toFrame(view, point));
    if (mark.kind === "ring") ring(view, points[0], mark.look);
    else polyline(view, points, mark.look);
    if (mark.kind === "path") steps(view, points, mark.labels);
  }
}

function add(view, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  view.marks.append(element);
  return element;
}

function ring(view, [cx, cy], look) {
  for (const kind of ["under", look]) add(view, "circle", { class: `ring ${kind}`, cx, cy, r: look === "picked" ? 10 : 8 });
}

function polyline(view, points, look) {
  for (const kind of ["under", look]) add(view, "polyline", { class: kind, points: points.map(String).join(" ") });
}

function steps(view, points, labels) {
  let written = null;
  points.forEach(([cx, cy], index) => {
    const last = index === points.length - 1;
    add(view, "circle", { class: last ? "last" : "step", cx, cy, r: last ? 5.5 : 4 });
    // Steps that end nearly where the one before did are told by the table alone.
    if (written && Math.hypot(cx - written[0], cy - written[1]) < 18) return;
    written = [cx, cy];
    add(view, "text", { x: cx + 9, y: cy - 8 }).textContent = labels[index];
  });
}
