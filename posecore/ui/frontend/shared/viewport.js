// Where a picture lies in its frame: as large as it can be seen whole, then zoomed and panned. Frame positions are CSS
// pixels from the frame's top left corner, source positions the picture's own pixels from its top left edge.

import { clamp } from "./geometry.js";

/** @import { Point, Size } from "./geometry.js" */

export class Viewport {
  zoom = 1;
  /** Where the frame's origin has been moved to. @type {Point} */
  origin = [0, 0];
  /** @type {Size} */
  frame = { width: 1, height: 1 };
  /** @type {Size} */
  picture = { width: 1, height: 1 };

  /** @param {number} deepest The strongest zoom; 1 for a picture that cannot be zoomed. */
  constructor(deepest) {
    this.deepest = deepest;
  }

  /** Where the picture lies at zoom 1, and CSS pixels per source pixel there. */
  get fitted() {
    const { frame, picture } = this;
    const scale = Math.min(frame.width / picture.width, frame.height / picture.height);
    return { scale, left: (frame.width - picture.width * scale) / 2, top: (frame.height - picture.height * scale) / 2 };
  }

  /** CSS pixels per source pixel. */
  get scale() {
    return this.fitted.scale * this.zoom;
  }

  /**
   * @param {readonly number[]} source
   * @returns {Point}
   */
  toFrame([x, y]) {
    const { scale, left, top } = this.fitted;
    return [(x * scale + left) * this.zoom + this.origin[0], (y * scale + top) * this.zoom + this.origin[1]];
  }

  /**
   * @param {readonly number[]} place
   * @returns {Point}
   */
  toSource([x, y]) {
    const { scale, left, top } = this.fitted;
    return [((x - this.origin[0]) / this.zoom - left) / scale, ((y - this.origin[1]) / this.zoom - top) / scale];
  }

  /**
   * Takes the frame's size; what is seen stays the same part of the picture.
   *
   * @param {Size} frame
   */
  resize(frame) {
    const { width, height } = this.frame;
    this.origin = [(this.origin[0] * frame.width) / width, (this.origin[1] * frame.height) / height];
    this.frame = frame;
  }

  /** Sees the whole picture again. */
  fit() {
    this.zoom = 1;
    this.origin = [0, 0];
  }

  /**
   * Zooms so that what is at `at` stays there.
   *
   * @param {number} factor
   * @param {readonly number[]} [at] In the frame; its middle unless given.
   */
  zoomBy(factor, at = [this.frame.width / 2, this.frame.height / 2]) {
    const zoom = clamp(this.zoom * factor, 1, this.deepest);
    const ratio = zoom / this.zoom;
    this.origin = [at[0] - (at[0] - this.origin[0]) * ratio, at[1] - (at[1] - this.origin[1]) * ratio];
    this.zoom = zoom;
    this.stay();
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  panBy(dx, dy) {
    this.origin = [this.origin[0] + dx, this.origin[1] + dy];
    this.stay();
  }

  /** Leaves no part of the frame empty that was filled at zoom 1. */
  stay() {
    const { width, height } = this.frame;
    const [x, y] = this.origin;
    this.origin = [clamp(x, width * (1 - this.zoom), 0), clamp(y, height * (1 - this.zoom), 0)];
  }
}
