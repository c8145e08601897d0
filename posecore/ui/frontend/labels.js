// The label editor: people as skeletons over a picture, moved with mouse, finger or keys. What is on the screen is the
// truth while somebody works; Python hears of every finished change and says what it has saved.
//
// data: about (identity of the set), picture (identity), name, alt, token (of the image), image (data URL, or null when the browser has it), width,
//       height, room (CSS length), skeleton ({names, edges, sides, template}), colors (by side), people, done (nothing
//       is left to look at), regions (boxes that are only shown), previous, next and open (identities, or null),
//       where (words), seen ({visit, tab, attempt, revisions: {picture: revision}}), trouble (words, or null).
// A person: {joints: [[x, y, label], …], box or null, category, area or null, proposed, score}; x and y null unless the
// label is HIDDEN or VISIBLE. Positions count from the picture's top left edge, in its own pixels.
// Trigger: event = {about, tab, attempt, has (tokens), edits: {picture: {revision, people, done, base,
// base_revision}}, go: identity or
// null}; base ({people, done}) is what Python last had or showed, so that it can tell what changed, and base_revision the
// last change in it: what was sent since may be saved already.

const views = new WeakMap();
const [UNLABELLED, HIDDEN, VISIBLE, ABSENT] = [0, 1, 2, 3];
const STATES = [
  { label: VISIBLE, word: "Visible", key: "V", look: "visible" },
  { label: HIDDEN, word: "Hidden", key: "H", look: "hidden" },
  { label: ABSENT, word: "Absent", key: "A", look: "absent" },
  { label: UNLABELLED, word: "Not labelled", key: "U", look: "unlabelled" },
];
const HELP = {
  [VISIBLE]: "It can be seen",
  [HIDDEN]: "It is in the picture, but something covers it",
  [ABSENT]: "It is not in the picture: training learns that nothing is there",
  [UNLABELLED]: "Nobody says where it is: training passes over it",
};
const KEYS = [
  ["Drag a joint", "move it (arrow keys: one pixel, with Shift ten)"],
  ["Drag a line", "move the whole person (also Shift and drag a joint)"],
  ["V  H  A  U", "chosen joint is visible, hidden, absent, not labelled"],
  ["Double click", "a joint: visible or hidden"],
  ["[  ]", "joint before, next joint"],
  ["Q", "next person"],
  ["P  J", "add a person: in a box, joint by joint"],
  ["Shift Delete", "delete the person"],
  ["Ctrl Z  Ctrl Y", "undo, redo"],
  ["Wheel  +  −  0", "zoom in, zoom out, see all"],
  ["B  N", "previous picture, next picture"],
  ["Enter", "confirm and go on"],
  ["Esc", "stop what was begun"],
];
const NEAR = { mouse: 11, pen: 14, touch: 24 }; // CSS pixels around a joint in which it is meant.
const LINE = 7; // CSS pixels around a line in which its person is meant.
const STILL = 3; // CSS pixels that the pointer may move and still click.
const DEEPEST = 40;
const PAUSE = 150; // Milliseconds of quiet after which what keys changed is sent.
const PATIENCE = 4000; // Milliseconds after which unanswered changes are sent again.
const SETTLING = 2000; // Milliseconds that the whole page may take to run.
const STEPS_BACK = 300;
const KEPT_IMAGES = 6;
const SVG = "http://www.w3.org/2000/svg";

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = views.get(parentElement);
  if (!view) {
    view = build(parentElement);
    views.set(parentElement, view);
  }
  view.send = setTriggerValue;
  receive(view, data);
  const unload = (event) => warn(view, event);
  window.addEventListener("beforeunload", unload);
  return () => {
    window.removeEventListener("beforeunload", unload);
    leave(view);
  };
}

// --- building ---

function build(root) {
  const find = (name) => root.querySelector("." + name);
  const view = {
    root: find("posecore-labels"), tab: Math.random().toString(36).slice(2), attempt: 0, answered: 0, wanted: null,
    docs: new Map(), images: new Map(), current: null, zoom: 1, x: 0, y: 0, pointers: new Map(), gesture: null,
    mode: null, person: null, joint: null, hover: null,
  };
  for (const name of ["frame", "stage", "shown", "marks", "tip", "note", "keys", "panel", "people", "joints", "states",
    "saved", "trouble", "where", "accept", "remove", "undo", "redo", "add", "chain", "finish", "previous", "next", "ask"]) {
    view[name] = find(name);
  }
  const { frame } = view;
  frame.onpointerdown = (event) => press(view, event);
  frame.onpointermove = (event) => move(view, event);
  frame.onpointerup = (event) => release(view, event);
  frame.onpointercancel = (event) => abandon(view, event);
  frame.onpointerleave = () => hint(view, null);
  frame.ondblclick = (event) => doubleClick(view, event);
  frame.addEventListener("wheel", (event) => wheel(view, event), { passive: false });
  view.root.onkeydown = (event) => key(view, event);
  find("in").onclick = () => zoomBy(view, 1.5);
  find("out").onclick = () => zoomBy(view, 1 / 1.5);
  find("fit").onclick = () => fit(view);
  find("full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : view.root.requestFullscreen());
  view.ask.onclick = () => showKeys(view, view.keys.hidden);
  view.undo.onclick = () => step(view, "undo", "redo");
  view.redo.onclick = () => step(view, "redo", "undo");
  view.add.onclick = () => setMode(view, view.mode?.kind === "box" ? null : { kind: "box" });
  view.chain.onclick = () => (view.mode?.chain ? setMode(view, null) : beginChain(view));
  view.accept.onclick = () => acceptPerson(view);
  view.remove.onclick = () => removePerson(view);
  view.finish.onclick = () => finish(view);
  view.previous.onclick = () => go(view, view.data.previous);
  view.next.onclick = () => go(view, view.data.next);
  view.trouble.querySelector("button").onclick = () => flush(view);
  view.keys.append(...KEYS.flatMap(([keys, words]) => [element("b", keys), element("span", words)]));
  for (const state of STATES) {
    const button = element("button", state.word + " ");
    button.type = "button";
    button.title = `${HELP[state.label]} (${state.key})`;
    button.append(element("kbd", state.key));
    button.onclick = () => setLabel(view, state.label);
    view.states.append(button);
  }
  new ResizeObserver(() => view.data && place(view)).observe(frame);
  return view;
}

// The browser asks before it drops what was not sent yet.
function warn(view, event) {
  if (pending(view).length) event.preventDefault();
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

// The page is left, or the element is set up once more: what was not sent yet is sent.
function leave(view) {
  if (view.timer) flush(view);
}

// --- what Python says ---

function receive(view, data) {
  view.incoming = data;
  if (view.about !== data.about) {
    // Pictures of another set have the same numbers and nothing else in common.
    view.docs.clear();
    Object.assign(view, { about: data.about, current: null, data: null, wanted: null });
  }
  const mine = data.seen.tab === view.tab;
  if (mine) view.answered = Math.max(view.answered, data.seen.attempt);
  if (mine && view.wanted && data.seen.attempt >= view.wanted.attempt) view.wanted = null;
  for (const [picture, revision] of Object.entries(mine ? data.seen.revisions : {})) {
    const doc = view.docs.get(picture);
    if (!doc || revision <= doc.saved) continue;
    [doc.saved, view.savedAt] = [revision, new Date()];
    if (doc.sent?.revision !== revision) continue;
    Object.assign(doc, { base: { people: doc.sent.people, done: doc.sent.done }, baseRevision: revision });
  }
  adopt(view, data);
  if (data.image) remember(view, data.token, data.image);
  const image = view.images.get(data.token);
  if (!image) return ask(view, data);
  // Decoded before it is shown: picture and people change in one step.
  const swap = () => view.incoming === data && present(view, data, image);
  if (view.shown.dataset.token === data.token) swap();
  else image.decode().then(swap, swap);
}

function ask(view, data) {
  // Asked once: if the answer does not bring the picture either, asking again would go on for ever.
  if (view.asked === data.token) return;
  view.asked = data.token;
  flush(view);
}

function remember(view, token, url) {
  view.asked = null;
  if (!view.images.has(token)) {
    const image = new Image();
    image.src = url;
    view.images.set(token, image);
  }
  for (const old of view.images.keys()) {
    if (view.images.size <= KEPT_IMAGES) break;
    if (old !== token && old !== view.shown.dataset.token) view.images.delete(old);
  }
}

// Python's people, unless changes of ours are on their way to it.
function adopt(view, data) {
  let doc = view.docs.get(data.picture);
  const theirs = { people: data.people.map((person, index) => ({ ...person, id: `s${index}` })), done: data.done };
  // A copy: what is dragged here must not change what it is compared with.
  const base = structuredClone({ people: data.people, done: data.done });
  if (!doc) {
    doc = { ...theirs, base, baseRevision: 0, undo: [], redo: [], revision: 0, saved: 0 };
    view.docs.set(data.picture, doc);
  }
  const seen = data.seen.tab === view.tab ? data.seen.revisions[data.picture] ?? 0 : 0;
  if (seen < doc.revision || view.gesture?.doc === doc) return;
  Object.assign(doc, { base, baseRevision: doc.revision });
  if (same(doc, theirs)) return;
  doc.undo.push(copy(doc));
  doc.redo = [];
  // Who was chosen stays chosen, by place in the list.
  theirs.people.forEach((person, index) => (person.id = doc.people[index]?.id ?? fresh()));
  Object.assign(doc, theirs);
  if (data.picture === view.current && !chosen(view)) [view.person, view.joint] = [doc.people[0]?.id ?? null, null];
}

function plain(doc) {
  return doc.people.map(({ joints, box, category, area, proposed, score }) => ({
    joints, box, category, area, proposed, score,
  }));
}

// Python lists labels before proposals, whatever order they came in.
function same(one, other) {
  const listed = (doc) => JSON.stringify(plain(doc).sort((a, b) => a.proposed - b.proposed));
  return one.done === other.done && listed(one) === listed(other);
}

function present(view, data, image) {
  const other = view.current !== data.picture;
  view.data = data;
  view.current = data.picture;
  if (other) {
    Object.assign(view, { zoom: 1, x: 0, y: 0, gesture: null, joint: null, hover: null });
    view.person = doc(view).people[0]?.id ?? null;
    setMode(view, null);
    hint(view, null);
  }
  if (view.shown.dataset.token !== data.token) {
    view.shown.src = image.src;
    view.shown.dataset.token = data.token;
  }
  view.shown.alt = data.alt;
  view.frame.dataset.picture = data.picture;
  view.frame.setAttribute("aria-label", data.alt + ". Press ? for the keys.");
  view.root.style.setProperty("--room", data.room);
  view.root.style.setProperty("--ratio", data.width / data.height);
  view.trouble.hidden = !(data.trouble && pending(view).length);
  view.trouble.querySelector("span").textContent = data.trouble ?? "";
  place(view);
}

const doc = (view) => view.docs.get(view.current);
const chosen = (view) => doc(view).people.find((person) => person.id === view.person) ?? null;

// --- telling Python ---

function pending(view) {
  return [...view.docs].filter(([, doc]) => doc.revision > doc.saved);
}

function flush(view) {
  clearTimeout(view.timer);
  clearTimeout(view.patience);
  view.timer = null;
  view.attempt += 1;
  if (view.wanted) view.wanted.attempt ??= view.attempt;
  const edits = {};
  for (const [picture, doc] of pending(view)) {
    doc.sent = structuredClone({ revision: doc.revision, people: plain(doc), done: doc.done });
    edits[picture] = { ...doc.sent, base: doc.base, base_revision: doc.baseRevision };
  }
  view.send("event", {
    about: view.about, tab: view.tab, attempt: view.attempt, has: [...view.images.keys()], edits, go: view.wanted?.picture ?? null,
  });
  view.patience = setTimeout(() => insist(view), PATIENCE);
  status(view);
}

// Whatever got lost on the way is sent once more. A server that was started anew knows nothing of this part of the page
// until the whole page has run.
function insist(view) {
  const lost = view.answered < view.attempt && (pending(view).length || view.wanted);
  if (!lost || !view.root.isConnected) return;
  window.dispatchEvent(new Event("posecore-wake"));
  view.patience = setTimeout(() => flush(view), SETTLING);
}

function go(view, picture) {
  if (!picture) return;
  view.wanted = { picture };
  flush(view);
}

// A finished change: `before` is what undo brings back. A picture with people is done once no proposal is left; one
// with nobody on it only when somebody says so.
function commit(view, before, soon = false, done = null) {
  const here = doc(view);
  here.people.forEach(hold);
  here.done = done ?? (here.people.length > 0 && !here.people.some(({ proposed }) => proposed));
  here.undo.push(before);
  here.undo.splice(0, here.undo.length - STEPS_BACK);
  here.redo = [];
  changed(view, soon);
}

// A box of its own holds all joints; an area that was given belongs to the box as it was.
function hold(person) {
  if (!person.box) return;
  const points = person.joints.filter(placed);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x0, y0, x1, y1] = person.box;
  const box = [Math.min(x0, ...xs), Math.min(y0, ...ys), Math.max(x1, ...xs), Math.max(y1, ...ys)];
  if (String(box) !== String(person.box)) Object.assign(person, { box, area: null });
}

function changed(view, soon = false) {
  const here = doc(view);
  here.revision += 1;
  clearTimeout(view.timer);
  if (soon) view.timer = setTimeout(() => flush(view), PAUSE);
  else flush(view);
  draw(view);
}

function copy(doc) {
  return structuredClone({ people: doc.people, done: doc.done });
}

function step(view, from, to) {
  const here = doc(view);
  if (!here[from].length) return;
  here[to].push(copy(here));
  Object.assign(here, here[from].pop());
  if (!chosen(view)) [view.person, view.joint] = [here.people.at(-1)?.id ?? null, null];
  setMode(view, null);
  changed(view);
}

// --- where things are ---

function layout(view) {
  const width = view.frame.clientWidth;
  const height = view.frame.clientHeight;
  const scale = Math.min(width / view.data.width, height / view.data.height);
  return { width, height, scale, left: (width - view.data.width * scale) / 2, top: (height - view.data.height * scale) / 2 };
}

function place(view) {
  const { width, height, scale, left, top } = layout(view);
  view.x = Math.min(0, Math.max(view.x, width * (1 - view.zoom)));
  view.y = Math.min(0, Math.max(view.y, height * (1 - view.zoom)));
  Object.assign(view.shown.style, {
    left: left + "px", top: top + "px", width: view.data.width * scale + "px", height: view.data.height * scale + "px",
  });
  view.stage.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
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
  return { x, y, source, scale: scale * view.zoom, kind: event.pointerType || "mouse" };
}

function inside(view, [x, y]) {
  const clamp = (value, end) => Math.round(100 * Math.min(Math.max(value, 0), end)) / 100;
  return [clamp(x, view.data.width), clamp(y, view.data.height)];
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

function wheel(view, event) {
  // At full view, turning the wheel towards oneself scrolls the page as everywhere else.
  if (!view.data || (view.zoom === 1 && event.deltaY > 0)) return;
  event.preventDefault();
  zoomBy(view, Math.exp(-event.deltaY / 400), pointer(view, event));
}

// --- what is meant by a place ---

const placed = ([x, , label]) => x !== null && (label === VISIBLE || label === HIDDEN);

function hit(view, here) {
  const near = NEAR[here.kind] ?? NEAR.mouse;
  let best = null;
  let least = Infinity;
  for (const person of doc(view).people) {
    person.joints.forEach((joint, index) => {
      if (!placed(joint)) return;
      const distance = Math.hypot(joint[0] - here.source[0], joint[1] - here.source[1]) * here.scale;
      // Where people overlap, the chosen one is meant.
      const weighed = person.id === view.person ? distance * 0.6 : distance;
      if (distance <= near && weighed < least) [least, best] = [weighed, { person, joint: index }];
    });
  }
  return best ?? hitLine(view, here);
}

function hitLine(view, here) {
  let best = null;
  let least = LINE + (here.kind === "touch" ? 6 : 0);
  for (const person of doc(view).people) {
    for (const [a, b] of lines(view, person)) {
      const distance = toSegment(here.source, a, b) * here.scale * (person.id === view.person ? 0.6 : 1);
      if (distance < least) [least, best] = [distance, { person, joint: null }];
    }
  }
  return best;
}

// Pairs of points: the lines of the skeleton, or the sides of the box of a person without any.
function lines(view, person) {
  const found = view.data.skeleton.edges
    .map(([a, b]) => [person.joints[a], person.joints[b]])
    .filter(([a, b]) => placed(a) && placed(b));
  if (found.length || !person.box) return found;
  const [x0, y0, x1, y1] = person.box;
  const corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
  return corners.map((corner, index) => [corner, corners[(index + 1) % 4]]);
}

function toSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const share = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / Math.max(dx * dx + dy * dy, 1e-9), 0), 1);
  return Math.hypot(x - ax - share * dx, y - ay - share * dy);
}

// --- pointer ---

function press(view, event) {
  if (!view.data || event.button !== 0 || event.target.closest(".keys")) return;
  const here = pointer(view, event);
  view.pointers.set(event.pointerId, here);
  view.frame.setPointerCapture(event.pointerId);
  view.frame.focus({ preventScroll: true });
  if (view.pointers.size > 1) {
    // A second finger: it was the beginning of a pinch, nothing else.
    restore(view);
    view.gesture = { kind: "pinch" };
    return;
  }
  const found = view.mode ? null : hit(view, here);
  view.gesture = { start: here, last: here, moved: false, doc: doc(view), before: copy(doc(view)), ...meaning(view, found, event) };
}

function meaning(view, found, event) {
  if (view.mode) return { kind: view.mode.kind };
  if (!found) return { kind: "pan" };
  const { person, joint } = found;
  view.person = person.id;
  view.joint = joint;
  draw(view);
  const origin = structuredClone(person);
  return joint === null || event.shiftKey ? { kind: "person", person, origin } : { kind: "joint", person, joint, origin };
}

function move(view, event) {
  if (!view.data) return;
  const here = pointer(view, event);
  const before = view.pointers.get(event.pointerId);
  if (!before) return hint(view, here);
  const { gesture } = view;
  if (gesture?.kind === "pinch") return pinch(view, event.pointerId, before, here);
  view.pointers.set(event.pointerId, here);
  if (!gesture) return;
  gesture.moved ||= Math.hypot(here.x - gesture.start.x, here.y - gesture.start.y) > STILL;
  if (!gesture.moved) return;
  drag(view, gesture, here);
  gesture.last = here;
}

function drag(view, gesture, here) {
  const [dx, dy] = [here.source[0] - gesture.start.source[0], here.source[1] - gesture.start.source[1]];
  view.frame.classList.add("dragging");
  hint(view, null);
  if (gesture.kind === "joint") {
    const [x, y, label] = gesture.origin.joints[gesture.joint];
    gesture.person.joints[gesture.joint] = [...inside(view, [x + dx, y + dy]), label];
  } else if (gesture.kind === "person") shift(view, gesture, dx, dy);
  else if (gesture.kind === "pan" || gesture.kind === "place") {
    view.x += here.x - gesture.last.x;
    view.y += here.y - gesture.last.y;
    place(view);
  } else if (gesture.kind === "box") gesture.box = boxOf(inside(view, gesture.start.source), inside(view, here.source));
  draw(view);
}

// The whole person moves as far as all joints stay in the picture.
function shift(view, { person, origin }, dx, dy) {
  const points = origin.joints.filter(placed);
  const stay = (delta, values, end) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return Math.max(Math.min(delta, Math.max(end - high, 0)), Math.min(-low, 0));
  };
  if (points.length) {
    dx = stay(dx, points.map(([x]) => x), view.data.width);
    dy = stay(dy, points.map(([, y]) => y), view.data.height);
  }
  const to = (value, delta) => Math.round(100 * (value + delta)) / 100;
  person.joints = origin.joints.map((joint) => (placed(joint) ? [to(joint[0], dx), to(joint[1], dy), joint[2]] : joint));
  if (origin.box) person.box = origin.box.map((side, index) => to(side, index % 2 ? dy : dx));
}

function boxOf([ax, ay], [bx, by]) {
  return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
}

function pinch(view, id, before, here) {
  const other = [...view.pointers].find(([key]) => key !== id)?.[1];
  view.pointers.set(id, here);
  if (!other) return;
  const spread = (point) => Math.hypot(point.x - other.x, point.y - other.y);
  view.x += (here.x - before.x) / 2;
  view.y += (here.y - before.y) / 2;
  zoomBy(view, spread(here) / Math.max(spread(before), 1), { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
}

function release(view, event) {
  const { gesture } = view;
  lift(view, event);
  if (!gesture || gesture.kind === "pinch") return;
  const here = pointer(view, event);
  if (gesture.kind === "joint" || gesture.kind === "person") {
    if (!gesture.moved) return draw(view);
    accept(gesture.person);
    commit(view, gesture.before);
  } else if (gesture.kind === "box") addInBox(view, gesture.moved ? gesture.box : null);
  else if (gesture.kind === "place" && !gesture.moved) placeJoint(view, here.source, event.shiftKey);
  else if (!gesture.moved) {
    view.joint = null;
    draw(view);
  }
}

function lift(view, event) {
  view.pointers.delete(event.pointerId);
  view.frame.classList.remove("dragging");
  if (!view.pointers.size) view.gesture = null;
}

function abandon(view, event) {
  restore(view);
  lift(view, event);
  draw(view);
}

// Undo a gesture that is not finished.
function restore(view) {
  const { gesture } = view;
  if (gesture?.origin) Object.assign(gesture.person, gesture.origin);
  view.gesture = null;
}

function doubleClick(view, event) {
  const found = view.data && !view.mode && hit(view, pointer(view, event));
  if (!found || found.joint === null) return;
  [view.person, view.joint] = [found.person.id, found.joint];
  setLabel(view, found.person.joints[found.joint][2] === VISIBLE ? HIDDEN : VISIBLE);
}

// --- changes ---

// Whoever was changed by somebody was looked at.
function accept(person) {
  Object.assign(person, { proposed: false, score: null });
}

function fresh() {
  return Math.random().toString(36).slice(2);
}

function newPerson(view) {
  const joints = view.data.skeleton.names.map(() => [null, null, UNLABELLED]);
  return { id: fresh(), joints, box: null, category: "person", area: null, proposed: false, score: null };
}

function addInBox(view, box) {
  if (!box || box[2] - box[0] < 4 || box[3] - box[1] < 4) {
    return note(view, "Drag a box around the person: press in one corner, let go in the other. Esc ends this.");
  }
  const before = copy(doc(view));
  // What stands in the box is a template until somebody has moved a joint or confirmed it.
  const person = { ...newPerson(view), proposed: true };
  const [x0, y0, x1, y1] = box;
  person.joints = view.data.skeleton.template.map(([x, y]) => [...inside(view, [x0 + x * (x1 - x0), y0 + y * (y1 - y0)]), VISIBLE]);
  doc(view).people.push(person);
  Object.assign(view, { person: person.id, joint: null });
  setMode(view, null);
  commit(view, before);
}

function beginChain(view) {
  setMode(view, { kind: "place", chain: true, person: null, joint: 0, label: VISIBLE });
}

function placeJoint(view, source, hidden) {
  const { mode } = view;
  const [x, y] = source;
  if (x < 0 || y < 0 || x > view.data.width || y > view.data.height) return;
  const before = copy(doc(view));
  let person = doc(view).people.find(({ id }) => id === mode.person);
  if (!person) {
    person = newPerson(view);
    doc(view).people.push(person);
    mode.person = person.id;
  }
  person.joints[mode.joint] = [...inside(view, source), hidden ? HIDDEN : mode.label];
  accept(person);
  Object.assign(view, { person: person.id, joint: mode.joint });
  skip(view);
  commit(view, before);
}

// The next joint of a chain that has no place yet; the end of the mode after the last one.
function skip(view) {
  const { mode } = view;
  const person = doc(view).people.find(({ id }) => id === mode.person);
  const free = view.data.skeleton.names.findIndex(
    (_, index) => index > mode.joint && (!person || person.joints[index][2] === UNLABELLED),
  );
  setMode(view, mode.chain && free >= 0 ? { ...mode, joint: free } : null);
}

function setLabel(view, label) {
  const person = chosen(view);
  if (!person || view.joint === null) return;
  const joint = person.joints[view.joint];
  const positioned = label === VISIBLE || label === HIDDEN;
  if (positioned && joint[0] === null && !person.last?.[view.joint]) {
    // Nobody knows yet where it is: the next click says.
    return setMode(view, { kind: "place", chain: false, person: person.id, joint: view.joint, label });
  }
  if (joint[2] === label) return;
  const before = copy(doc(view));
  if (placed(joint)) person.last = { ...person.last, [view.joint]: [joint[0], joint[1]] };
  const [x, y] = positioned ? (joint[0] === null ? person.last[view.joint] : joint) : [null, null];
  person.joints[view.joint] = [x, y, label];
  accept(person);
  setMode(view, null);
  commit(view, before);
}

function nudge(view, dx, dy) {
  const person = chosen(view);
  const joint = person?.joints[view.joint];
  if (!joint || !placed(joint)) return false;
  const before = copy(doc(view));
  person.joints[view.joint] = [...inside(view, [joint[0] + dx, joint[1] + dy]), joint[2]];
  accept(person);
  // Steps that follow each other closely are one change, for Python and for undo.
  if (view.timer && view.nudged === `${view.person} ${view.joint}`) changed(view, true);
  else commit(view, before, true);
  view.nudged = `${view.person} ${view.joint}`;
  return true;
}

function acceptPerson(view) {
  const person = chosen(view);
  if (!person?.proposed) return;
  const before = copy(doc(view));
  accept(person);
  commit(view, before);
}

function removePerson(view) {
  const here = doc(view);
  const index = here.people.findIndex(({ id }) => id === view.person);
  if (index < 0) return;
  const before = copy(here);
  here.people.splice(index, 1);
  Object.assign(view, { person: here.people[Math.min(index, here.people.length - 1)]?.id ?? null, joint: null });
  setMode(view, null);
  commit(view, before);
}

// The picture is finished: proposals become labels, or nobody is in it; then on to the next one that is not.
function finish(view) {
  const here = doc(view);
  const before = copy(here);
  here.people.forEach(accept);
  if (view.data.open) view.wanted = { picture: view.data.open };
  if (!here.done) commit(view, before, false, true);
  else if (view.wanted) flush(view);
}

// --- keys ---

function key(view, event) {
  if (!view.data || !act(view, event)) return;
  event.preventDefault();
  // The page around has single-letter keys of its own.
  event.stopPropagation();
}

function act(view, event) {
  const { key: pressed } = event;
  const letter = pressed.length === 1 ? pressed.toLowerCase() : pressed;
  if (event.ctrlKey || event.metaKey) {
    if (letter === "z" && !event.shiftKey) step(view, "undo", "redo");
    else if (letter === "y" || letter === "z") step(view, "redo", "undo");
    else return false;
    return true;
  }
  if (event.altKey) return false;
  const button = event.composedPath()[0].tagName === "BUTTON";
  if (button && (pressed === "Enter" || pressed === " ")) return false;
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (arrows[pressed]) return arrow(view, ...arrows[pressed].map((part) => part * (event.shiftKey ? 10 : 1)));
  const state = STATES.find((one) => one.key.toLowerCase() === letter);
  if (state) return setLabel(view, state.label), true;
  const commands = {
    Delete: () => (event.shiftKey || view.joint === null ? event.shiftKey && removePerson(view) : setLabel(view, UNLABELLED)),
    Backspace: () => (event.shiftKey ? removePerson(view) : setLabel(view, UNLABELLED)),
    Escape: () => escape(view),
    Enter: () => (view.mode ? setMode(view, null) : finish(view)),
    PageDown: () => go(view, view.data.next), n: () => go(view, view.data.next),
    PageUp: () => go(view, view.data.previous), b: () => go(view, view.data.previous),
    "[": () => walk(view, -1), "]": () => walk(view, 1), q: () => nextPerson(view),
    p: () => setMode(view, { kind: "box" }), j: () => beginChain(view), s: () => view.mode?.chain && skip(view),
    "+": () => zoomBy(view, 1.5), "=": () => zoomBy(view, 1.5), "-": () => zoomBy(view, 1 / 1.5), 0: () => fit(view),
    "?": () => showKeys(view, view.keys.hidden),
  };
  if (!commands[letter]) return false;
  commands[letter]();
  return true;
}

function arrow(view, dx, dy) {
  if (nudge(view, dx, dy)) return true;
  if (view.zoom === 1) return false;
  view.x -= 60 * Math.sign(dx);
  view.y -= 60 * Math.sign(dy);
  place(view);
  return true;
}

function escape(view) {
  if (!view.keys.hidden) return showKeys(view, false);
  if (view.gesture) restore(view);
  else if (view.mode) setMode(view, null);
  else view.joint = null;
  draw(view);
}

function walk(view, by) {
  if (!chosen(view)) return;
  const count = view.data.skeleton.names.length;
  view.joint = view.joint === null ? (by > 0 ? 0 : count - 1) : (view.joint + by + count) % count;
  draw(view);
}

function nextPerson(view) {
  const { people } = doc(view);
  const index = people.findIndex(({ id }) => id === view.person);
  Object.assign(view, { person: people[(index + 1) % people.length]?.id ?? null, joint: null });
  draw(view);
}

function setMode(view, mode) {
  view.mode = mode;
  view.frame.classList.toggle("aiming", mode !== null);
  view.add.setAttribute("aria-pressed", String(mode?.kind === "box"));
  view.chain.setAttribute("aria-pressed", String(Boolean(mode?.chain)));
  const joint = mode?.kind === "place" ? words(view.data.skeleton.names[mode.joint]) : "";
  if (!mode) note(view, "");
  else if (mode.kind === "box") note(view, "Drag a box around the person. Esc ends this.");
  else if (mode.chain) note(view, `Click on the ${joint}. With Shift: it is hidden. S: skip it. Esc: that is all.`);
  else note(view, `Click on the ${joint}. Esc ends this.`);
}

function note(view, text) {
  view.note.textContent = text;
  view.note.style.display = text ? "block" : "none";
}

function showKeys(view, open) {
  view.keys.hidden = !open;
  view.ask.setAttribute("aria-expanded", String(open));
}

// --- drawing ---

const words = (name) => name.replaceAll("_", " ");

function add(parent, name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  parent.append(made);
  return made;
}

function draw(view) {
  if (!view.data) return;
  const here = doc(view);
  view.marks.replaceChildren();
  for (const region of view.data.regions) box(view, view.marks, region, "region");
  // The chosen person lies on top.
  const order = [...here.people].sort((a, b) => (a.id === view.person) - (b.id === view.person));
  for (const person of order) drawPerson(view, person, here.people.indexOf(person));
  if (view.gesture?.box) box(view, view.marks, view.gesture.box, "drawn");
  panel(view);
  status(view);
}

function box(view, parent, sides, look) {
  const [x, y] = toFrame(view, sides.slice(0, 2));
  const [right, bottom] = toFrame(view, sides.slice(2));
  for (const kind of ["under", look]) add(parent, "rect", { class: kind, x, y, width: right - x, height: bottom - y });
}

function drawPerson(view, person, number) {
  const look = person.id === view.person ? "chosen" : "others";
  const group = add(view.marks, "g", { class: `${look} ${person.proposed ? "proposed" : ""}` });
  const { edges, sides } = view.data.skeleton;
  const points = person.joints.map((joint) => placed(joint) && toFrame(view, joint));
  const drawn = edges.filter(([a, b]) => points[a] && points[b]);
  for (const kind of ["under", "line"]) {
    for (const [a, b] of drawn) {
      const stroke = kind === "line" ? view.data.colors[sides[a] === sides[b] ? sides[a] : "middle"] : "";
      const [[x1, y1], [x2, y2]] = [points[a], points[b]];
      add(group, "line", { class: kind, x1, y1, x2, y2, ...(stroke && { stroke }) });
    }
  }
  if (!drawn.length && person.box) box(view, group, person.box, "own");
  points.forEach((point, index) => point && drawJoint(view, group, person, number, index, point));
}

function drawJoint(view, group, person, number, index, [cx, cy]) {
  const color = view.data.colors[view.data.skeleton.sides[index]];
  const hidden = person.joints[index][2] === HIDDEN;
  const r = person.id === view.person ? 5.5 : 4.5;
  const circle = add(group, "circle", { class: hidden ? "joint hidden-joint" : "joint", cx, cy, r });
  circle.dataset.person = number;
  circle.dataset.joint = index;
  circle.style[hidden ? "stroke" : "fill"] = color;
  const meant = person.id === view.person && index === view.joint;
  if (meant) for (const kind of ["ring under", "ring"]) add(group, "circle", { class: kind, cx, cy, r: r + 4 });
}

function hint(view, here) {
  const found = here && !view.mode ? hit(view, here) : null;
  view.frame.classList.toggle("over", Boolean(found));
  view.tip.style.display = found ? "block" : "none";
  if (!found) return;
  const { person, joint } = found;
  const number = doc(view).people.indexOf(person) + 1;
  const what = joint === null ? "" : ` · ${words(view.data.skeleton.names[joint])}`;
  const state = joint !== null && person.joints[joint][2] === HIDDEN ? " · hidden" : "";
  view.tip.textContent = `Person ${number}${what}${state}${person.proposed ? " · proposal" : ""}`;
  const [x, y] = joint === null ? [here.x, here.y] : toFrame(view, person.joints[joint]);
  view.tip.style.left = Math.max(4, Math.min(x + 12, view.frame.clientWidth - view.tip.offsetWidth - 4)) + "px";
  view.tip.style.top = Math.max(4, y - 34) + "px";
}

// --- beside the picture ---

function panel(view) {
  const here = doc(view);
  const person = chosen(view);
  fill(view.people, here.people.length, (button, index) => {
    const one = here.people[index];
    button.textContent = `Person ${index + 1}${one.proposed ? " ?" : ""}`;
    button.classList.toggle("proposed", one.proposed);
    button.title = one.proposed ? (one.score ? `Proposed by a model, not confirmed, mean score ${one.score.toFixed(2)}` : "Not confirmed yet") : "";
    button.setAttribute("aria-pressed", String(one === person));
    button.onclick = () => (Object.assign(view, { person: one.id, joint: null }), draw(view));
  });
  fill(view.joints, person ? person.joints.length : 0, (button, index) => {
    const state = STATES.find(({ label }) => label === person.joints[index][2]);
    if (!button.firstChild) button.append(element("i"), element("span"), element("small"));
    button.className = `is-${state.look}`;
    button.style.setProperty("--side", view.data.colors[view.data.skeleton.sides[index]]);
    button.children[1].textContent = words(view.data.skeleton.names[index]);
    button.children[2].textContent = state.label === VISIBLE ? "" : state.word.toLowerCase();
    const meant = index === view.joint;
    if (meant && button.getAttribute("aria-pressed") !== "true") reveal(view.joints, button);
    button.setAttribute("aria-pressed", String(meant));
    button.onclick = () => pick(view, index);
  });
  const label = person && view.joint !== null ? person.joints[view.joint][2] : null;
  STATES.forEach((state, index) => {
    const button = view.states.children[index];
    button.disabled = label === null;
    button.setAttribute("aria-pressed", String(state.label === label));
  });
  view.states.hidden = view.remove.hidden = !person;
  view.accept.hidden = !person?.proposed;
}

// As many buttons as there are things, each brought up to date in place so that the one with the focus keeps it.
function fill(parent, count, update) {
  while (parent.children.length > count) parent.lastChild.remove();
  while (parent.children.length < count) parent.append(Object.assign(document.createElement("button"), { type: "button" }));
  [...parent.children].forEach(update);
}

// Scrolls the list alone: the page stays where it is.
function reveal(list, button) {
  const [top, bottom] = [button.offsetTop - list.offsetTop, button.offsetTop - list.offsetTop + button.offsetHeight];
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

function pick(view, index) {
  view.joint = index;
  const [, , label] = chosen(view).joints[index];
  if (label === UNLABELLED) setMode(view, { kind: "place", chain: false, person: view.person, joint: index, label: VISIBLE });
  else setMode(view, null);
  draw(view);
}

function status(view) {
  if (!view.data) return;
  const here = doc(view);
  const waiting = pending(view).length;
  const failed = waiting && view.data.trouble && view.answered === view.attempt;
  view.undo.disabled = !here.undo.length;
  view.redo.disabled = !here.redo.length;
  view.previous.disabled = !view.data.previous;
  view.next.disabled = !view.data.next;
  view.saved.textContent = failed ? "Not saved" : waiting ? "Saving …" : view.savedAt ? `Saved ${view.savedAt.toLocaleTimeString()}` : "";
  view.saved.classList.toggle("bad", Boolean(failed));
  view.saved.dataset.saved = String(!waiting);
  view.where.textContent = view.data.where;
  view.where.title = view.data.where;
  const proposals = here.people.some(({ proposed }) => proposed);
  const act = here.done ? "Next unlabelled" : !here.people.length ? "No people – next" : proposals ? "Confirm all" : "Done";
  view.finish.textContent = here.done || !view.data.open ? act : `${act}, go on`;
  view.finish.title = !here.done && proposals ? "What the model proposed is right now (Enter)" : "On to the next picture that is not done (Enter)";
  view.finish.disabled = here.done && !view.data.open;
  view.finish.classList.toggle("plain", view.finish.disabled);
}
