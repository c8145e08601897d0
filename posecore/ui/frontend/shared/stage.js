// A picture in a frame that can be zoomed and panned: what all viewers have in common. The HTML of each has a .frame, and
// in it a .stage with the image .shown, and buttons .in, .out, .fit and .full where it offers them.

import { find, isFrom, toggleFullScreen } from "./elements.js";
import { Viewport } from "./viewport.js";

/** @import { Point, Size } from "./geometry.js" */
/** @import { Pinch } from "./pointers.js" */

const STEP = 1.5; // Zoom of one press of a button or key.
const PAN = 60; // CSS pixels of one press of an arrow.
/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Stage {
  /** Whether there is a picture yet. */
  ready = false;

  /**
   * @param {ParentNode} root
   * @param {object} options
   * @param {number} [options.deepest] The strongest zoom.
   * @param {Element} [options.screen] What fills the screen when asked to; the frame unless given.
   * @param {() => void} options.onPlace Called whenever things have come to lie elsewhere.
   */
  constructor(root, { deepest = 1, screen, onPlace }) {
    this.frame = find(root, ".frame", HTMLElement);
    this.shown = find(root, ".shown", HTMLImageElement);
    this.onPlace = onPlace;
    this.viewport = new Viewport(deepest);
    this.layer = find(root, ".stage", HTMLElement);
    /** @type {Record<string, () => void>} */
    const buttons = {
      in: () => this.zoomBy(STEP),
      out: () => this.zoomBy(1 / STEP),
      fit: () => this.fit(),
      full: () => toggleFullScreen(screen ?? this.frame),
    };
    for (const [name, act] of Object.entries(buttons)) {
      root.querySelector(`button.${name}`)?.addEventListener("click", act);
    }
    if (deepest > 1) this.frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    new ResizeObserver(() => this.place()).observe(this.frame);
  }

  /**
   * Takes the size of the picture to which positions refer.
   *
   * @param {Size} picture
   */
  measure({ width, height }) {
    this.viewport.picture = { width, height };
    this.ready = true;
  }

  /** Puts everything where it belongs. */
  place() {
    const { viewport, frame, shown } = this;
    // A frame that is not shown has no size.
    if (!this.ready || !frame.clientWidth || !frame.clientHeight) return;
    viewport.resize({ width: frame.clientWidth, height: frame.clientHeight });
    viewport.stay();
    const { scale, left, top } = viewport.fitted;
    Object.assign(shown.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${viewport.picture.width * scale}px`,
      height: `${viewport.picture.height * scale}px`,
    });
    const [x, y] = viewport.origin;
    this.layer.style.transform = `translate(${x}px, ${y}px) scale(${viewport.zoom})`;
    frame.classList.toggle("zoomed", viewport.zoom > 1);
    frame.dataset.zoom = viewport.zoom.toFixed(2);
    this.onPlace();
  }

  /**
   * Where a pointer is in the frame.
   *
   * @param {MouseEvent} event
   * @returns {Point}
   */
  at(event) {
    const area = this.frame.getBoundingClientRect();
    return [event.clientX - area.left, event.clientY - area.top];
  }

  fit() {
    this.viewport.fit();
    this.place();
  }

  /**
   * @param {number} factor
   * @param {Point} [at]
   */
  zoomBy(factor, at) {
    this.viewport.zoomBy(factor, at);
    this.place();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  panBy(dx, dy) {
    this.viewport.panBy(dx, dy);
    this.place();
  }

  /** @param {Pinch | null} pinch */
  pinch(pinch) {
    if (!pinch) return;
    this.viewport.panBy(pinch.dx, pinch.dy);
    this.zoomBy(pinch.factor, pinch.at);
  }

  /**
   * Zooms and pans by the keyboard. Returns whether the key meant that.
   *
   * @param {string} key
   */
  key(key) {
    if (key === "+" || key === "=") this.zoomBy(STEP);
    else if (key === "-") this.zoomBy(1 / STEP);
    else if (key === "0") this.fit();
    else if (key in ARROWS && this.viewport.zoom > 1) this.panBy(PAN * ARROWS[key][0], PAN * ARROWS[key][1]);
    else return false;
    return true;
  }

  /**
   * Shows words beside a place of the picture, within the frame; none hides them.
   *
   * @param {HTMLElement} tip
   * @param {string | null} words
   * @param {Point} [place] In the frame.
   */
  showTip(tip, words, place = [0, 0]) {
    tip.style.display = words === null ? "none" : "block";
    if (words === null) return;
    tip.textContent = words;
    const room = this.frame.clientWidth - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(4, Math.min(place[0] + 12, room))}px`;
    tip.style.top = `${Math.max(4, place[1] - 32)}px`;
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // At full view, turning the wheel towards oneself scrolls the page as everywhere else.
    if (!this.ready || (this.viewport.zoom === 1 && event.deltaY > 0) || isFrom(event, ".keys")) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 400), this.at(event));
  }
}
