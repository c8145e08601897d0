// A picture with a map over it: zoom, pan, the value under the pointer, and marks that stay crisp at every zoom.
// Positions count from the picture's top left edge. Trigger: spot = [x, y, reach] in source pixels.

import { find, isFrom } from "../shared/elements.js";
import { nearestThing } from "../shared/geometry.js";
import { showPicture } from "../shared/pictures.js";
import { Pointers } from "../shared/pointers.js";
import { Stage } from "../shared/stage.js";
import { onePerPlace } from "../shared/streamlit.js";
import { drawMarks } from "./marks.js";
import { unpackValues, valueInWords } from "./reading.js";

/** @import { Point } from "../shared/geometry.js" */
/** @import { Picture } from "../shared/pictures.js" */
/** @import { Component } from "../shared/streamlit.js" */
/** @import { Mark } from "./marks.js" */
/** @import { PackedValues, Values } from "./reading.js" */

/**
 * What Python says of the map.
 *
 * @typedef {object} MapData
 * @property {string} picture Changes with what is shown; zoom and place are kept while it stays the same.
 * @property {[number, number, string][]} joints Place and words of each.
 * @property {PackedValues | null} values What the pointer reads.
 * @property {{ colors: string, low: string, high: string } | null} legend CSS gradient, and what its ends mean.
 * @property {Mark[]} marks
 */

/** @typedef {Picture & MapData} Data */

const NEAR = 14; // CSS pixels around a joint in which it is meant.
const STILL = 4; // CSS pixels that the pointer may move and still click.
const DEEPEST = 24;

class FieldView {
  pointers = new Pointers();
  /** Where a press began that may become a click. @type {Point | null} */
  pressed = null;
  /** @type {Component<Data>["setTriggerValue"]} */
  send = () => {};
  /** @type {Data | null} */
  data = null;
  /** @type {Values | null} */
  values = null;

  /** @param {ParentNode} root */
  constructor(root) {
    this.marks = find(root, ".marks", SVGElement);
    this.tip = find(root, ".tip", HTMLElement);
    this.readout = find(root, ".readout", HTMLElement);
    this.legend = find(root, ".legend", HTMLElement);
    this.stage = new Stage(root, { deepest: DEEPEST, onPlace: () => this.draw() });
    const { frame } = this.stage;
    frame.onpointerdown = (event) => this.press(event);
    frame.onpointermove = (event) => this.move(event);
    frame.onpointerup = (event) => this.release(event);
    frame.onpointercancel = (event) => this.forget(event);
    frame.onpointerleave = () => this.hush();
    frame.ondblclick = (event) => {
      if (!isFrom(event, ".tools")) this.stage.fit();
    };
    frame.onkeydown = (event) => {
      if (this.stage.key(event.key)) event.preventDefault();
    };
  }

  /** @param {Data} data */
  show(data) {
    const { stage } = this;
    if (this.data?.picture !== data.picture) stage.viewport.fit();
    this.data = data;
    this.values = data.values && unpackValues(data.values);
    stage.frame.setAttribute("aria-label", data.alt);
    stage.frame.classList.toggle("sheet", !data.values && !data.joints.length);
    this.showLegend(data.legend);
    stage.measure(data);
    stage.place();
    showPicture(stage, data, () => {
      stage.frame.dataset.shown = data.token;
    });
  }

  /** @param {Data["legend"]} legend */
  showLegend(legend) {
    this.legend.hidden = !legend;
    if (!legend) return;
    this.legend.style.setProperty("--colors", legend.colors);
    find(this.legend, ".low", HTMLElement).textContent = legend.low;
    find(this.legend, ".high", HTMLElement).textContent = legend.high;
  }

  draw() {
    if (this.data) drawMarks(this.marks, this.data.marks, (point) => this.stage.viewport.toFrame(point));
  }

  // --- pointer ---

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button !== 0 || isFrom(event, ".tools")) return;
    const place = this.stage.at(event);
    this.pointers.put(event.pointerId, place);
    this.pressed = this.pointers.count === 1 ? place : null;
    const zoomed = this.stage.viewport.zoom > 1;
    if (event.pointerType === "mouse" || zoomed) this.stage.frame.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { stage, pointers, pressed } = this;
    const place = stage.at(event);
    if (!pointers.isDown(event.pointerId)) {
      if (isFrom(event, ".tools")) this.hush();
      else this.hint(place);
      return;
    }
    if (pressed && Math.hypot(place[0] - pressed[0], place[1] - pressed[1]) <= STILL) return;
    this.pressed = null;
    if (pointers.count > 1) stage.pinch(pointers.pinch(event.pointerId, place));
    else {
      stage.frame.classList.add("panning");
      stage.panBy(...pointers.move(event.pointerId, place));
    }
    this.hush();
  }

  /** @param {PointerEvent} event */
  release(event) {
    const { pressed } = this;
    this.forget(event);
    if (!pressed) return;
    const { viewport } = this.stage;
    this.send("spot", [...viewport.toSource(pressed), NEAR / viewport.scale]);
  }

  /** @param {PointerEvent} event */
  forget(event) {
    this.pointers.lift(event.pointerId);
    this.pressed = null;
    this.stage.frame.classList.remove("panning");
  }

  // --- what is under the pointer ---

  hush() {
    this.stage.showTip(this.tip, null);
    this.readout.style.display = "none";
  }

  /** @param {Point} place */
  hint(place) {
    const { stage, data } = this;
    if (!data) return;
    const [x, y] = stage.viewport.toSource(place);
    const inside = x >= 0 && y >= 0 && x < data.width && y < data.height;
    this.readout.style.display = inside ? "block" : "none";
    if (inside) {
      const value = this.values ? `  ·  ${valueInWords(this.values, [x, y])}` : "";
      this.readout.textContent = `x ${Math.floor(x)}  y ${Math.floor(y)}${value}`;
    }
    const joint = nearestThing([x, y], data.joints, NEAR / stage.viewport.scale);
    stage.showTip(this.tip, joint?.thing ?? null, joint ? stage.viewport.toFrame(joint.at) : place);
  }
}

const viewAt = onePerPlace((root) => new FieldView(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const view = viewAt(parentElement);
  view.send = setTriggerValue;
  view.show(data);
}
