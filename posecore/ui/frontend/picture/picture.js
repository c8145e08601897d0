// A picture with its people drawn above it, on which a part can be chosen by dragging, and which names the joint under the
// pointer. Python sends the picture once, and people whenever they change.
// Triggers: region = [left, top, right, bottom] in source pixels, a part or a box, or "whole"; joint = [x, y] of one that was clicked.

import { find, findButtons, isFrom } from "../shared/elements.js";
import { boxBetween, clampTo, nearestThing } from "../shared/geometry.js";
import { showPicture } from "../shared/pictures.js";
import { Stage } from "../shared/stage.js";
import { onePerPlace } from "../shared/streamlit.js";
import { regionOf } from "./region.js";
import { paint } from "./strokes.js";

/** @import { Point } from "../shared/geometry.js" */
/** @import { Picture } from "../shared/pictures.js" */
/** @import { Component } from "../shared/streamlit.js" */
/** @import { Drawing } from "./strokes.js" */

/**
 * What Python says beside the picture.
 *
 * @typedef {object} PeopleData
 * @property {[number, number, string][]} people Place and words of each joint.
 * @property {Drawing} drawing
 * @property {string} drawn Changes with the drawing.
 * @property {boolean} region Whether a part is looked at.
 * @property {boolean} parts Whether a part can be chosen.
 * @property {boolean} boxes Whether what is dragged is a box around somebody, and no part.
 * @property {boolean} joints Whether a joint can be clicked.
 */

/** @typedef {Picture & PeopleData} Data */

const NEAR = 14; // CSS pixels around a joint in which it is named.

class PictureView {
  /** Where the drag began, in the frame. @type {Point | null} */
  start = null;
  /** @type {Component<Data>["setTriggerValue"]} */
  send = () => {};
  /** @type {Data | null} */
  data = null;

  /** Whether the last press became a drag: the click that follows it is none. */
  dragged = false;

  /** @param {ParentNode} root */
  constructor(root) {
    this.strokes = find(root, ".strokes", SVGElement);
    this.stage = new Stage(root, { onPlace: () => this.placeStrokes() });
    this.box = find(root, ".box", HTMLElement);
    this.tip = find(root, ".tip", HTMLElement);
    this.buttons = findButtons(root, "whole", "choose");
    this.what = find(root, ".what", HTMLElement);
    const { frame } = this.stage;
    frame.onpointerdown = (event) => this.press(event);
    frame.onpointermove = (event) => (this.start ? this.stretch(this.start, event) : this.hint(event));
    frame.onpointerup = (event) => this.release(event);
    frame.onpointercancel = () => this.drop();
    frame.onclick = (event) => this.click(event);
    frame.onpointerleave = () => this.stage.showTip(this.tip, null);
    // In braces: a handler that returns false would swallow the key, Tab included.
    frame.onkeydown = (event) => {
      if (event.key === "Escape") this.drop();
    };
    this.buttons.choose.onclick = () => this.choosing(!frame.classList.contains("choosing"));
    this.buttons.whole.onclick = () => this.send("region", "whole");
  }

  /** @param {Data} data */
  show(data) {
    this.data = data;
    this.buttons.whole.hidden = !data.region;
    this.buttons.choose.hidden = !data.parts;
    this.what.textContent = data.boxes ? "Box" : "Part";
    this.buttons.choose.title = data.boxes
      ? "Drag a box around a person on the picture"
      : "Drag on the picture to look at a part of it";
    this.stage.measure(data);
    showPicture(this.stage, data, () => this.draw());
  }

  /** Draws the people of now: the picture that they belong to is shown. */
  draw() {
    if (!this.data) return;
    const { drawing, drawn, token, alt } = this.data;
    const { frame, shown } = this.stage;
    shown.alt = alt;
    const state = `${token} ${drawn}`;
    if (frame.dataset.shown === state) return;
    paint(this.strokes, drawing);
    frame.dataset.shown = state;
  }

  placeStrokes() {
    const { left, top, width, height } = this.stage.shown.style;
    Object.assign(this.strokes.style, { left, top, width, height });
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.dragged = false;
    const { frame } = this.stage;
    if (event.button !== 0 || !this.data?.parts || isFrom(event, ".tools")) return;
    // A finger scrolls the page unless the tool was chosen; a mouse may drag at any time.
    if (event.pointerType !== "mouse" && !frame.classList.contains("choosing")) return;
    event.preventDefault();
    frame.setPointerCapture(event.pointerId);
    this.start = this.at(event);
    this.stage.showTip(this.tip, null);
  }

  /**
   * @param {Point} start
   * @param {PointerEvent} event
   */
  stretch(start, event) {
    const [left, top, right, bottom] = boxBetween(start, this.at(event));
    Object.assign(this.box.style, {
      display: "block",
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
  }

  /** @param {PointerEvent} event */
  release(event) {
    if (!this.start || !this.data) return;
    const dragged = boxBetween(this.start, this.at(event));
    this.drop();
    const region = regionOf(dragged, (point) => this.stage.viewport.toSource(point), this.data);
    if (!region) return;
    this.dragged = true;
    this.choosing(false);
    this.send("region", region);
  }

  /** @param {MouseEvent} event */
  click(event) {
    if (!this.data?.joints || this.dragged) return;
    const joint = this.joint(event);
    if (joint) this.send("joint", joint.at);
  }

  drop() {
    this.start = null;
    this.box.style.display = "none";
  }

  /** @param {boolean} on */
  choosing(on) {
    this.stage.frame.classList.toggle("choosing", on);
    this.buttons.choose.setAttribute("aria-pressed", String(on));
  }

  /** @param {PointerEvent} event */
  hint(event) {
    if (!this.data) return;
    const { stage } = this;
    stage.frame.classList.toggle("mouse", this.data.parts && event.pointerType === "mouse");
    const joint = this.joint(event);
    stage.frame.classList.toggle("pointing", this.data.joints && joint !== null);
    if (!joint) stage.showTip(this.tip, null);
    else stage.showTip(this.tip, joint.thing, stage.viewport.toFrame(joint.at));
  }

  /**
   * The joint under the pointer.
   *
   * @param {MouseEvent} event
   */
  joint(event) {
    if (!this.data || isFrom(event, ".tools")) return null;
    const { stage } = this;
    const source = stage.viewport.toSource(stage.at(event));
    return nearestThing(source, this.data.people, NEAR / stage.viewport.scale);
  }

  /**
   * @param {PointerEvent} event
   * @returns {Point}
   */
  at(event) {
    return clampTo(this.stage.at(event), this.stage.viewport.frame);
  }
}

const viewAt = onePerPlace((root) => new PictureView(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const view = viewAt(parentElement);
  view.send = setTriggerValue;
  view.show(data);
}
