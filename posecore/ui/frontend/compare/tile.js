// One column of a comparison: a caption, and a picture that zooms and pans with the others.

import { element, find, isFrom } from "../shared/elements.js";
import { nearestThing } from "../shared/geometry.js";
import { showPicture } from "../shared/pictures.js";
import { Pointers } from "../shared/pointers.js";
import { Stage } from "../shared/stage.js";

/** @import { Point } from "../shared/geometry.js" */
/** @import { Picture } from "../shared/pictures.js" */

/** @typedef {{ letter: string, title: string, note: string, people: [number, number, string][], error: string }} Facts */
/** @typedef {Picture & Facts} Column */

const NEAR = 14; // CSS pixels around a joint in which it is named.
const DEEPEST = 24;
const FRAME = `
  <div class="frame" tabindex="0" role="group">
    <div class="stage"><img class="shown" alt="" /></div>
    <div class="cross"></div>
    <div class="tip" role="status"></div>
    <div class="sentence" hidden></div>
  </div>`;

export class Tile {
  pointers = new Pointers();
  /** @type {Column | null} */
  column = null;

  /**
   * @param {object} told
   * @param {(tile: Tile) => void} told.onPlace The picture has come to lie elsewhere.
   * @param {(tile: Tile, source: Point | null) => void} told.onPoint Where the pointer is in the picture, if it is.
   */
  constructor({ onPlace, onPoint }) {
    this.onPoint = onPoint;
    this.root = element("figure");
    this.root.className = "tile";
    this.letter = element("b");
    this.title = element("span");
    this.title.className = "title";
    this.note = element("span");
    this.note.className = "found";
    const caption = element("figcaption");
    caption.append(this.letter, this.title, this.note);
    this.root.innerHTML = FRAME;
    this.root.prepend(caption);
    this.stage = new Stage(this.root, { deepest: DEEPEST, onPlace: () => onPlace(this) });
    const { frame } = this.stage;
    this.cross = find(frame, ".cross", HTMLElement);
    this.tip = find(frame, ".tip", HTMLElement);
    this.sentence = find(frame, ".sentence", HTMLElement);
    frame.onpointerdown = (event) => this.press(event);
    frame.onpointermove = (event) => this.move(event);
    frame.onpointerup = (event) => this.lift(event);
    frame.onpointercancel = (event) => this.lift(event);
    frame.onpointerleave = () => onPoint(this, null);
    frame.ondblclick = () => this.stage.fit();
    frame.onkeydown = (event) => {
      if (this.stage.key(event.key)) event.preventDefault();
    };
  }

  /** @param {Column} column */
  show(column) {
    this.column = column;
    this.letter.textContent = column.letter;
    this.title.textContent = column.title;
    this.title.title = column.title;
    this.note.textContent = column.note;
    this.sentence.textContent = column.error;
    this.sentence.hidden = !column.error;
    this.stage.frame.setAttribute("aria-label", column.alt);
    this.stage.measure(column);
    this.stage.place();
    const { frame, shown } = this.stage;
    showPicture(this.stage, column, () => {
      shown.alt = column.alt;
      frame.dataset.shown = column.token;
    });
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button !== 0) return;
    this.pointers.put(event.pointerId, this.stage.at(event));
    if (event.pointerType === "mouse" || this.stage.viewport.zoom > 1) {
      this.stage.frame.setPointerCapture(event.pointerId);
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    const { stage, pointers } = this;
    const place = stage.at(event);
    if (!pointers.isDown(event.pointerId)) {
      this.onPoint(this, isFrom(event, ".sentence") ? null : stage.viewport.toSource(place));
      return;
    }
    this.onPoint(this, null);
    if (pointers.count > 1) stage.pinch(pointers.pinch(event.pointerId, place));
    else {
      stage.frame.classList.add("panning");
      stage.panBy(...pointers.move(event.pointerId, place));
    }
  }

  /** @param {PointerEvent} event */
  lift(event) {
    this.pointers.lift(event.pointerId);
    this.stage.frame.classList.remove("panning");
  }

  /**
   * Names the joint near a place of the picture, and marks the place where the pointer is in another column.
   *
   * @param {Point | null} source
   * @param {boolean} here Whether the pointer is in this column.
   */
  point(source, here) {
    const { stage, column } = this;
    const joint = source && column ? nearestThing(source, column.people, NEAR / stage.viewport.scale) : null;
    stage.showTip(this.tip, joint?.thing ?? null, joint ? stage.viewport.toFrame(joint.at) : undefined);
    this.cross.style.display = source && !here ? "block" : "none";
    if (!source) return;
    const [x, y] = stage.viewport.toFrame(source);
    Object.assign(this.cross.style, { left: `${x}px`, top: `${y}px` });
  }
}
