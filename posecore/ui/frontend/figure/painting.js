// Drawing the room: the floor, shadows on it, ways over it, and people from the farthest bone to the nearest.

/** @import { Orbit, Seen } from "./orbit.js" */

/** @typedef {{ text: string, line: string, ground: string }} Colors CSS colours of the page. */
/** @typedef {[number, number, number]} Place */
/** @typedef {{ joints: (Place | null)[], color: string, way: Place[] }} Figure */
/** @typedef {{ from: number, to: number, far: boolean }} Bone Numbers of joints; whether it is of the right side. */
/** @typedef {{ bones: Bone[], head: number[], shoulders: number[] }} Body Joints between which head and neck lie. */

const TILE = 0.5; // Metres between the lines of the floor.
const THICK = 0.045; // Metres that a bone is thick.
const HEAD = 0.1; // Metres from a head's middle to its edge.

export class Painter {
  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Orbit} orbit
   */
  constructor(context, orbit) {
    this.context = context;
    this.orbit = orbit;
  }

  /**
   * Draws everything anew.
   *
   * @param {Figure[]} figures
   * @param {Body} body
   * @param {number} reach Metres of floor around the middle.
   * @param {Colors} colors
   */
  paint(figures, body, reach, colors) {
    const { context, orbit } = this;
    const { width, height } = orbit.size;
    context.clearRect(0, 0, width, height);
    context.save();
    context.translate(width / 2, height / 2);
    context.lineCap = "round";
    this.#floor(reach, colors);
    for (const figure of figures) this.#way(figure);
    for (const figure of figures) this.#shadow(figure, body.bones, colors);
    const parts = figures.flatMap((figure) => [...this.#bones(figure, body.bones), ...this.#heads(figure, body)]);
    parts.sort((one, other) => other.depth - one.depth);
    for (const part of parts) part.draw(colors);
    context.restore();
  }

  /**
   * @param {number} reach
   * @param {Colors} colors
   */
  #floor(reach, colors) {
    const { context, orbit } = this;
    const [left, , back] = orbit.middle.map((value) => Math.round(value / TILE) * TILE);
    context.strokeStyle = colors.line;
    context.lineWidth = 1;
    const count = Math.round(reach / TILE);
    for (let line = -count; line <= count; line++) {
      const [x, z] = [left + line * TILE, back + line * TILE];
      context.globalAlpha = line % 2 ? 0.2 : 0.4;
      this.#line([x, 0, back - reach], [x, 0, back + reach]);
      this.#line([left - reach, 0, z], [left + reach, 0, z]);
    }
    context.globalAlpha = 1;
  }

  /** @param {Figure} figure */
  #way({ way, color }) {
    const { context } = this;
    context.strokeStyle = color;
    context.lineWidth = 2;
    context.globalAlpha = 0.55;
    // In one stroke: the ends of many would lie over each other.
    context.beginPath();
    for (const place of way) {
      const seen = this.orbit.see(place);
      if (!seen) break;
      context.lineTo(seen.x, seen.y);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /**
   * @param {Figure} figure
   * @param {Bone[]} bones
   * @param {Colors} colors
   */
  #shadow({ joints }, bones, colors) {
    const { context } = this;
    context.strokeStyle = colors.text;
    context.globalAlpha = 0.1;
    for (const { from, to } of bones) {
      const [one, other] = [joints[from], joints[to]];
      if (!one || !other) continue;
      const seen = this.orbit.see([one[0], 0, one[2]]);
      context.lineWidth = Math.max((seen?.scale ?? 0) * THICK * 1.3, 1);
      this.#line([one[0], 0, one[2]], [other[0], 0, other[2]]);
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {Figure} figure
   * @param {Bone[]} bones
   */
  *#bones({ joints, color }, bones) {
    for (const { from, to, far } of bones) {
      const [one, other] = [this.#seen(joints[from]), this.#seen(joints[to])];
      if (!one || !other) continue;
      const depth = (one.depth + other.depth) / 2;
      /** @param {Colors} colors */
      const draw = (colors) => this.#bone(one, other, color, far, colors);
      yield { depth, draw };
    }
  }

  /**
   * @param {Seen} one
   * @param {Seen} other
   * @param {string} color
   * @param {boolean} far
   * @param {Colors} colors
   */
  #bone(one, other, color, far, colors) {
    const { context } = this;
    const width = Math.max(((one.scale + other.scale) / 2) * THICK, 2.5);
    // What is behind stands off from what is before it.
    this.#stroke(one, other, colors.ground, width + 2.5);
    this.#stroke(one, other, color, width);
    if (far) {
      // The right side is darker, so that one sees who turns which way.
      context.globalAlpha = 0.38;
      this.#stroke(one, other, "#000", width);
      context.globalAlpha = 1;
    }
  }

  /**
   * @param {Figure} figure
   * @param {Body} body
   */
  *#heads({ joints, color }, { head, shoulders }) {
    const middle = middleOf(head.map((joint) => joints[joint]));
    const seen = this.#seen(middle);
    if (!middle || !seen) return;
    const neck = this.#seen(middleOf(shoulders.map((joint) => joints[joint])));
    /** @param {Colors} colors */
    const draw = (colors) => {
      const { context } = this;
      if (neck) this.#bone(neck, seen, color, false, colors);
      context.beginPath();
      context.arc(seen.x, seen.y, Math.max(seen.scale * HEAD, 3), 0, 2 * Math.PI);
      context.fillStyle = color;
      context.strokeStyle = colors.ground;
      context.lineWidth = 1.5;
      context.fill();
      context.stroke();
    };
    yield { depth: seen.depth, draw };
  }

  /** @param {Place | null | undefined} place */
  #seen(place) {
    return place ? this.orbit.see(place) : null;
  }

  /**
   * @param {Place} from
   * @param {Place} to
   */
  #line(from, to) {
    const [one, other] = [this.orbit.see(from), this.orbit.see(to)];
    if (!one || !other) return;
    this.context.beginPath();
    this.context.moveTo(one.x, one.y);
    this.context.lineTo(other.x, other.y);
    this.context.stroke();
  }

  /**
   * @param {Seen} one
   * @param {Seen} other
   * @param {string} color
   * @param {number} width
   */
  #stroke(one, other, color, width) {
    const { context } = this;
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(one.x, one.y);
    context.lineTo(other.x, other.y);
    context.stroke();
  }
}

/**
 * The middle of those places that are known; null when none is.
 *
 * @param {(Place | null | undefined)[]} places
 * @returns {Place | null}
 */
function middleOf(places) {
  const known = places.filter((place) => place !== null && place !== undefined);
  if (!known.length) return null;
  /** @param {0 | 1 | 2} axis */
  const mean = (axis) => known.reduce((sum, place) => sum + place[axis], 0) / known.length;
  return [mean(0), mean(1), mean(2)];
}
