// A player whose plots go along: a line in each shows the moment, and a click in one moves the player there.

import { find, findButtons } from "../shared/elements.js";
import { tellMoment } from "../shared/moments.js";
import { unpackFloats } from "../shared/numbers.js";
import { onePerPlace } from "../shared/streamlit.js";
import { frameAt, momentIn, nearestFrame } from "./frames.js";
import { markMoment, momentAt, plotsIn } from "./plots.js";

/** @import { Component } from "../shared/streamlit.js" */

/**
 * @typedef {object} Data
 * @property {string} url Address of the clip.
 * @property {string} save Address under which it is saved.
 * @property {number} ratio Width by height.
 * @property {string} room CSS length: how high the picture may be.
 * @property {string} label What the clip shows, for those who do not see it.
 * @property {string} times Packed seconds of each frame in the clip.
 * @property {number} start Second of the video at which the clip begins; the plots' time is the video's.
 * @property {string} plots Class of the element that holds the plots.
 */

const CLICK = 4; // CSS pixels that a click may move.
const FOLLOW = 250; // Milliseconds between looks at plots, which come and go without saying so.

class Player {
  /** @type {Data | null} */
  data = null;
  /** When each frame begins, in seconds. */
  seconds = new Float32Array();
  /** Where the pointer went down, and what was there. @type {PointerEvent | null} */
  pressed = null;
  /** @type {EventTarget | null} */
  under = null;

  /** @param {ParentNode} root */
  constructor(root) {
    this.root = find(root, ".posecore-player", HTMLElement);
    this.video = find(root, "video", HTMLVideoElement);
    this.where = find(root, ".where", HTMLElement);
    this.save = find(root, ".save", HTMLAnchorElement);
    this.trouble = find(root, ".trouble", HTMLElement);
    this.speed = find(root, ".speed", HTMLSelectElement);
    const { video, speed } = this;
    video.addEventListener("play", () => this.run());
    for (const event of ["seeking", "seeked", "loadeddata", "pause", "timeupdate"]) {
      video.addEventListener(event, () => this.follow());
    }
    video.addEventListener("error", () => this.complain());
    video.addEventListener("ratechange", () => this.showSpeed());
    speed.onchange = () => {
      video.playbackRate = Number(speed.value);
    };
    const { back, on } = findButtons(root, "back", "on");
    back.onclick = () => this.step(-1);
    on.onclick = () => this.step(1);
    this.root.onkeydown = ({ key }) => {
      if (key === ",") this.step(-1);
      if (key === ".") this.step(1);
    };
  }

  /** @param {Data} data */
  show(data) {
    const { video } = this;
    const before = this.data;
    this.data = data;
    this.root.style.setProperty("--ratio", String(data.ratio));
    this.root.style.setProperty("--room", data.room);
    video.setAttribute("aria-label", data.label);
    this.save.href = data.save;
    if (before?.times !== data.times) this.seconds = unpackFloats(data.times);
    if (before?.url !== data.url) {
      // Another drawing of the same video goes on where the one before was.
      const at = before ? video.currentTime : 0;
      this.trouble.hidden = true;
      video.src = data.url;
      video.defaultPlaybackRate = Number(this.speed.value);
      if (at) video.addEventListener("loadedmetadata", () => this.goTo(at), { once: true });
    }
    this.follow();
  }

  complain() {
    this.trouble.hidden = false;
    this.trouble.textContent = "The clip cannot be played: it may not be on the server any more. Run the video again.";
  }

  showSpeed() {
    const option = [...this.speed.options].find(({ value }) => Number(value) === this.video.playbackRate);
    if (option) option.selected = true;
  }

  /** Follows the video picture by picture while it plays. */
  run() {
    this.follow();
    if (!this.video.paused) requestAnimationFrame(() => this.run());
  }

  follow() {
    const { seconds, data } = this;
    if (!seconds.length || !data) return;
    const frame = frameAt(seconds, this.video.currentTime);
    const moment = seconds[frame] + data.start;
    this.where.textContent = `Frame ${frame + 1} of ${seconds.length} · ${moment.toFixed(2)} s`;
    this.root.dataset.frame = String(frame);
    for (const plot of plotsIn(data.plots)) markMoment(plot, moment);
    tellMoment(data.plots, moment);
  }

  /** @param {number} moment */
  goTo(moment) {
    this.video.currentTime = moment;
  }

  /** @param {number} by */
  step(by) {
    if (!this.seconds.length) return;
    this.video.pause();
    this.goTo(momentIn(this.seconds, frameAt(this.seconds, this.video.currentTime) + by));
  }

  /** @param {PointerEvent} event */
  press(event) {
    this.pressed = event.button === 0 ? event : null;
    // An event forgets its target once it has been handled.
    this.under = event.target;
  }

  /** @param {PointerEvent} event */
  release(event) {
    const { pressed, data, seconds } = this;
    this.pressed = null;
    if (!pressed || !data || !seconds.length) return;
    if (Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) > CLICK) return;
    const moment = momentAt(plotsIn(data.plots), this.under, pressed.clientX);
    if (moment !== null) this.goTo(momentIn(seconds, nearestFrame(seconds, moment - data.start)));
  }
}

const playerAt = onePerPlace((root) => new Player(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement }) {
  const player = playerAt(parentElement);
  player.show(data);
  const timer = setInterval(() => player.follow(), FOLLOW);
  /** @param {PointerEvent} event */
  const down = (event) => player.press(event);
  /** @param {PointerEvent} event */
  const up = (event) => player.release(event);
  document.addEventListener("pointerdown", down, true);
  document.addEventListener("pointerup", up, true);
  return () => {
    clearInterval(timer);
    document.removeEventListener("pointerdown", down, true);
    document.removeEventListener("pointerup", up, true);
  };
}
