// People in the room: a figure that turns, in step with the clip that plays elsewhere on the page or with a camera.

import { frameAt } from "../player/frames.js";
import { find, findButtons, isFrom, toggleFullScreen } from "../shared/elements.js";
import { Live } from "../shared/live.js";
import { onMoment } from "../shared/moments.js";
import { unpackFloats } from "../shared/numbers.js";
import { Pointers } from "../shared/pointers.js";
import { onePerPlace } from "../shared/streamlit.js";
import { Orbit } from "./orbit.js";
import { Painter } from "./painting.js";
import { jointsAt, unpackPerson, unpackShorts, wayTo } from "./people.js";

/** @import { Component } from "../shared/streamlit.js" */
/** @import { Body, Colors } from "./painting.js" */
/** @import { Packed, Person } from "./people.js" */

/**
 * @typedef {object} Data
 * @property {string} label What is shown, for those who do not see it.
 * @property {string} room CSS length: how high the frame is.
 * @property {string} token Changes with the people.
 * @property {string} channel Of the clip that is followed; see moments.js.
 * @property {string} times Packed seconds of each frame, of the video.
 * @property {number} joints How many a person has.
 * @property {Body} body
 * @property {Packed[]} people
 * @property {number} unit Metres that a packed length of 1 is.
 * @property {string} middles Packed lengths, frames × 2: x and z of the point that is looked at.
 * @property {[number, number]} extent Metres that have to be seen, across and up.
 * @property {string} [live] Where the people before a camera are told, in place of those of a clip.
 */

/** @typedef {[number, number, number]} Place */
/**
 * What is told of the people before a camera.
 *
 * @typedef {object} Told
 * @property {{ color: string, joints: (Place | null)[] }[]} people Joints in metres; null for an unknown one.
 * @property {[number, number]} middle Metres: x and z of the point that is looked at.
 * @property {string} words Why nobody is shown.
 */

const TURN = 0.008; // Radians of a CSS pixel.
const STEP = 0.15; // Radians of a press of an arrow.
const SPIN = 0.5; // Radians a second.
const ZOOM = 1.2;
const WAY = 10; // Seconds of the way behind somebody that are drawn.
const WAY_STEP = 3; // Frames from point to point of it.

class FigureView {
  /** @type {Data | null} */
  data = null;
  /** @type {Person[]} */
  people = [];
  seconds = new Float32Array();
  middles = new Int16Array();
  frame = 0;
  /** @type {Told} */
  told = { people: [], middle: [0, 0], words: "" };
  pending = false;
  /** When it was turned last, while it turns by itself. @type {number | null} */
  turned = null;

  /** @param {ParentNode} root */
  constructor(root) {
    this.root = find(root, ".posecore-figure", HTMLElement);
    this.area = find(root, ".frame", HTMLElement);
    this.canvas = find(root, "canvas", HTMLCanvasElement);
    this.hint = find(root, ".hint", HTMLElement);
    this.words = find(root, ".words", HTMLElement);
    const context = this.canvas.getContext("2d");
    if (!context) throw new Error("This browser cannot draw.");
    this.orbit = new Orbit();
    this.painter = new Painter(context, this.orbit);
    this.pointers = new Pointers();
    this.live = new Live(
      (/** @type {Told} */ told) => this.hear(told),
      ({ words }) => this.hear({ ...this.told, people: [], words }),
    );
    this.#listen(root);
    new ResizeObserver(() => this.measure()).observe(this.area);
  }

  /** @param {ParentNode} root */
  #listen(root) {
    const { area, orbit } = this;
    const buttons = findButtons(root, "front", "side", "top", "spin", "in", "out", "full");
    this.spinButton = buttons.spin;
    for (const name of /** @type {const} */ (["front", "side", "top"])) {
      buttons[name].onclick = () => this.change(() => orbit.look(name));
    }
    buttons.spin.onclick = () => this.spin(this.turned === null);
    buttons.in.onclick = () => this.change(() => orbit.zoomBy(ZOOM));
    buttons.out.onclick = () => this.change(() => orbit.zoomBy(1 / ZOOM));
    buttons.full.onclick = () => toggleFullScreen(area);
    area.onpointerdown = (event) => this.press(event);
    area.onpointermove = (event) => this.drag(event);
    area.onpointerup = ({ pointerId }) => this.pointers.lift(pointerId);
    area.onpointercancel = ({ pointerId }) => this.pointers.lift(pointerId);
    area.onkeydown = (event) => {
      if (this.key(event.key)) event.preventDefault();
    };
    // Without a click on it first, the wheel scrolls the page.
    area.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** @param {Data} data */
  show(data) {
    const before = this.data;
    this.data = data;
    this.root.style.setProperty("--room", data.room);
    this.area.setAttribute("aria-label", `${data.label}. Arrows turn it, plus and minus make it larger and smaller.`);
    this.canvas.setAttribute("aria-label", data.label);
    if (before?.token !== data.token) {
      this.people = data.people.map((packed) => unpackPerson(packed, data.joints, data.unit));
      this.seconds = unpackFloats(data.times);
      this.middles = unpackShorts(data.middles);
      this.frame = Math.min(this.frame, Math.max(this.seconds.length - 1, 0));
      this.root.dataset.people = String(this.people.length);
    }
    if (!before || String(before.extent) !== String(data.extent)) this.orbit.fit(...data.extent);
    this.live.ask(data.live ?? "");
    this.draw();
  }

  /** Those before the camera now. @param {Told} told */
  hear(told) {
    this.told = told;
    this.words.textContent = told.words;
    this.root.dataset.people = String(told.people.length);
    this.draw();
  }

  measure() {
    const { area, canvas, orbit, data } = this;
    const ratio = window.devicePixelRatio || 1;
    const first = orbit.size.width === 1;
    orbit.size = { width: area.clientWidth || 1, height: area.clientHeight || 1 };
    canvas.width = Math.round(orbit.size.width * ratio);
    canvas.height = Math.round(orbit.size.height * ratio);
    this.painter.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (first && data) orbit.fit(...data.extent);
    this.paint();
  }

  /**
   * @param {string} channel
   * @param {number} moment
   */
  follow(channel, moment) {
    if (!this.data || channel !== this.data.channel || !this.seconds.length) return;
    const frame = frameAt(this.seconds, moment);
    if (frame === this.frame) return;
    this.frame = frame;
    this.draw();
  }

  /** @param {() => void} turn */
  change(turn) {
    turn();
    this.draw();
  }

  /** @param {boolean} on */
  spin(on) {
    this.spinButton?.setAttribute("aria-pressed", String(on));
    this.turned = on ? performance.now() : null;
    if (on) this.draw();
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (isFrom(event, ".tools") || event.button) return;
    this.spin(false);
    this.hint.hidden = true;
    this.area.setPointerCapture(event.pointerId);
    this.pointers.put(event.pointerId, [event.clientX, event.clientY]);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const { pointers, orbit } = this;
    if (!pointers.isDown(event.pointerId)) return;
    if (pointers.count > 1) {
      const pinch = pointers.pinch(event.pointerId, [event.clientX, event.clientY]);
      if (pinch) this.change(() => orbit.zoomBy(pinch.factor));
      return;
    }
    const [right, down] = pointers.move(event.pointerId, [event.clientX, event.clientY]);
    this.change(() => orbit.turnBy(-right * TURN, down * TURN));
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!this.area.contains(document.activeElement) && !document.fullscreenElement) return;
    event.preventDefault();
    this.change(() => this.orbit.zoomBy(Math.exp(-event.deltaY / 400)));
  }

  /**
   * Turns and zooms by the keyboard. Returns whether the key meant that.
   *
   * @param {string} key
   */
  key(key) {
    const { orbit } = this;
    /** @type {Record<string, () => void>} */
    const acts = {
      ArrowLeft: () => orbit.turnBy(STEP, 0),
      ArrowRight: () => orbit.turnBy(-STEP, 0),
      ArrowUp: () => orbit.turnBy(0, STEP),
      ArrowDown: () => orbit.turnBy(0, -STEP),
      "+": () => orbit.zoomBy(ZOOM),
      "-": () => orbit.zoomBy(1 / ZOOM),
      0: () => Object.assign(orbit, { distance: orbit.whole }),
      1: () => orbit.look("front"),
      2: () => orbit.look("side"),
      3: () => orbit.look("top"),
    };
    if (!(key in acts)) return false;
    this.change(acts[key]);
    return true;
  }

  /** Draws with the browser's next picture. */
  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame((now) => {
      this.pending = false;
      if (this.turned !== null && this.canvas.isConnected) {
        this.orbit.turnBy(((now - this.turned) / 1000) * SPIN, 0);
        this.turned = now;
        this.draw();
      }
      this.paint();
    });
  }

  paint() {
    const { data, orbit } = this;
    if (!data || orbit.size.width === 1) return;
    const { figures, middle } = data.live ? this.#seen() : this.#recorded(data);
    orbit.middle = [middle[0], data.extent[1] / 2, middle[1]];
    this.painter.paint(figures, data.body, Math.max(2.5, Math.ceil(data.extent[0] / 2) + 1), this.colors());
    this.root.dataset.frame = String(this.frame);
  }

  /** Those before the camera, and the point (x, z) that is looked at. */
  #seen() {
    const { people, middle } = this.told;
    return { figures: people.map((person) => ({ ...person, way: [] })), middle };
  }

  /**
   * Those of the clip at its present frame, and the point (x, z) that is looked at.
   *
   * @param {Data} data
   */
  #recorded({ unit, joints }) {
    const { frame, middles, people } = this;
    const figures = people
      .map((person) => ({
        ...person,
        joints: jointsAt(person, frame, joints),
        way: wayTo(person, frame, WAY * this.rate, WAY_STEP),
      }))
      .filter((figure) => figure.joints.length);
    return { figures, middle: [middles[2 * frame] * unit, middles[2 * frame + 1] * unit] };
  }

  /** Frames a second. */
  get rate() {
    const { seconds } = this;
    return (seconds.length - 1) / Math.max(seconds[seconds.length - 1] - seconds[0], 1e-3) || 1;
  }

  /** @returns {Colors} */
  colors() {
    const style = getComputedStyle(this.root);
    const [text, line, ground] = ["--st-text-color", "--st-gray-color", "--st-secondary-background-color"].map(
      (name) => style.getPropertyValue(name).trim() || "#888",
    );
    return { text, line, ground };
  }
}

const figureAt = onePerPlace((root) => new FigureView(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement }) {
  const figure = figureAt(parentElement);
  figure.show(data);
  const deafen = onMoment((channel, moment) => figure.follow(channel, moment));
  return () => {
    deafen();
    figure.live.ask("");
  };
}
