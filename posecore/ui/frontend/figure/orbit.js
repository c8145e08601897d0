// A camera that goes round a point and looks at it. The room: x to the right, y up, z towards who looks from the front.

import { clamp } from "../shared/geometry.js";

/** @typedef {[number, number, number]} Place Metres. */
/** @typedef {{ x: number, y: number, depth: number, scale: number }} Seen CSS pixels from the middle, y down; metres before
 * the camera; CSS pixels of a metre there. */

const STEEPEST = Math.PI / 2;
const [NEAREST, FARTHEST] = [0.8, 40]; // Metres between camera and middle.
const FIELD = 1.6; // Focal length in shorter sides of the frame.
const CLOSE = 0.05; // Metres before the camera from which things are seen.
const USUAL = { turn: -0.45, tilt: 0.22 };

/** Views by name: turn to the right and tilt down, in radians. */
export const VIEWS = Object.freeze({
  front: { turn: 0, tilt: 0.05 },
  side: { turn: -Math.PI / 2, tilt: 0.05 },
  top: { turn: 0, tilt: STEEPEST },
  usual: USUAL,
});

export class Orbit {
  turn = USUAL.turn;
  tilt = USUAL.tilt;
  distance = 5;
  /** Distance at which everything is seen. */
  whole = 5;
  /** The point that is looked at. @type {Place} */
  middle = [0, 0.9, 0];
  /** CSS pixels of the frame. */
  size = { width: 1, height: 1 };

  /** @param {keyof typeof VIEWS} name */
  look(name) {
    Object.assign(this, VIEWS[name]);
  }

  /**
   * Turns by so many radians.
   *
   * @param {number} right
   * @param {number} down
   */
  turnBy(right, down) {
    this.turn = (this.turn + right) % (2 * Math.PI);
    this.tilt = clamp(this.tilt + down, -0.2, STEEPEST);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.distance = clamp(this.distance / factor, NEAREST, FARTHEST);
  }

  /**
   * Goes as far away as it takes to see things of a width and height in metres.
   *
   * @param {number} width
   * @param {number} height
   */
  fit(width, height) {
    const { size } = this;
    const focal = FIELD * Math.min(size.width, size.height);
    const far = Math.max((width * focal) / size.width, (height * focal) / size.height) * 1.12 + width / 2;
    this.whole = clamp(far, NEAREST, FARTHEST);
    this.distance = this.whole;
  }

  /**
   * Where a place is seen; null for one behind the camera.
   *
   * @param {ArrayLike<number>} place
   * @returns {Seen | null}
   */
  see(place) {
    const [x, y, z] = [place[0] - this.middle[0], place[1] - this.middle[1], place[2] - this.middle[2]];
    const [sine, cosine] = [Math.sin(this.turn), Math.cos(this.turn)];
    const across = cosine * x + sine * z;
    const near = cosine * z - sine * x;
    const [down, level] = [Math.sin(this.tilt), Math.cos(this.tilt)];
    const depth = this.distance - (down * y + level * near);
    if (depth < CLOSE) return null;
    const scale = (FIELD * Math.min(this.size.width, this.size.height)) / depth;
    return { x: across * scale, y: (down * near - level * y) * scale, depth, scale };
  }
}
