// Fingers, pens and mice that are down on a frame, and what two of them do to the picture under them.

/** @import { Point } from "./geometry.js" */

/** A pinch: how far the middle moved, how much wider it became, and around where. */
/** @typedef {{ dx: number, dy: number, factor: number, at: Point }} Pinch */

export class Pointers {
  /** @type {Map<number, Point>} */
  #places = new Map();

  get count() {
    return this.#places.size;
  }

  /** @param {number} id */
  isDown(id) {
    return this.#places.has(id);
  }

  /**
   * @param {number} id
   * @param {Point} place
   */
  put(id, place) {
    this.#places.set(id, place);
  }

  /** @param {number} id */
  lift(id) {
    this.#places.delete(id);
  }

  /**
   * Moves a pointer that is down. Returns the step from where it was.
   *
   * @param {number} id
   * @param {Point} place
   * @returns {Point}
   */
  move(id, place) {
    const before = this.#places.get(id) ?? place;
    this.#places.set(id, place);
    return [place[0] - before[0], place[1] - before[1]];
  }

  /**
   * Moves one of two pointers that are down; null when there is no other one.
   *
   * @param {number} id
   * @param {Point} place
   * @returns {Pinch | null}
   */
  pinch(id, place) {
    const before = this.#places.get(id) ?? place;
    const other = [...this.#places].find(([key]) => key !== id)?.[1];
    this.#places.set(id, place);
    if (!other) return null;
    /** @param {Point} point */
    const spread = ([x, y]) => Math.hypot(x - other[0], y - other[1]);
    return {
      dx: (place[0] - before[0]) / 2,
      dy: (place[1] - before[1]) / 2,
      factor: spread(place) / Math.max(spread(before), 1),
      at: [(place[0] + other[0]) / 2, (place[1] + other[1]) / 2],
    };
  }
}
