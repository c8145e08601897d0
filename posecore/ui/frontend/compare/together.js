// Several viewports of one picture that zoom and pan in step.

/** @import { Viewport } from "../shared/viewport.js" */

/** What is followed: a stage, or whatever else has a viewport and puts its picture in place. */
/** @typedef {{ viewport: Viewport, place: () => void }} Placed */

export class Together {
  /** @type {Placed[]} */
  stages = [];
  #following = false;

  /**
   * Brings all others to where one of them is.
   *
   * @param {Placed} leader
   */
  follow(leader) {
    // Placing the others calls this again.
    if (this.#following) return;
    this.#following = true;
    const { zoom, origin, frame } = leader.viewport;
    for (const stage of this.stages) {
      if (stage === leader) continue;
      const { viewport } = stage;
      viewport.zoom = zoom;
      viewport.origin = [
        (origin[0] * viewport.frame.width) / frame.width,
        (origin[1] * viewport.frame.height) / frame.height,
      ];
      stage.place();
    }
    this.#following = false;
  }
}
