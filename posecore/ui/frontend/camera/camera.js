// A camera whose pictures come in its own resolution, however small it is shown.
// Trigger: photo = a data URL of a JPEG.

import { element, find, findButtons } from "../shared/elements.js";
import { onePerPlace } from "../shared/streamlit.js";

/** @import { Component } from "../shared/streamlit.js" */

const WANTED = { width: { ideal: 1920 }, height: { ideal: 1080 } };
const QUALITY = 0.95;
const LEAVING = 1000; // Milliseconds within which a page that runs once more has set up its camera again.
/** @type {Record<string, string>} */
const REFUSALS = {
  NotAllowedError: "The browser refuses the camera: allow it at the left end of the address bar, then try again.",
  NotFoundError: "No camera was found: connect one, then try again.",
  NotReadableError: "The camera is in use: close the program that uses it, then try again.",
};

class Camera {
  /** @type {MediaStream | null} */
  stream = null;
  /** Whether the page was left. */
  gone = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;
  /** @type {Component<object>["setTriggerValue"]} */
  send = () => {};

  /** @param {ParentNode} root */
  constructor(root) {
    this.video = find(root, "video", HTMLVideoElement);
    this.words = find(root, "p", HTMLElement);
    this.buttons = findButtons(root, "start", "take");
    this.buttons.start.onclick = () => this.start();
    this.buttons.take.onclick = () => this.take();
  }

  async start() {
    if (!navigator.mediaDevices) {
      this.say("Your browser gives no camera to this page: it does so only over https or on localhost.");
      return;
    }
    this.say("Your browser asks whether this page may use the camera; please allow it.");
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      this.say(REFUSALS[name] ?? `The camera does not start: ${message}`);
      return;
    }
    if (this.gone) {
      this.stop();
      return;
    }
    this.video.srcObject = this.stream;
    this.video.onloadedmetadata = () => {
      this.say(`${this.video.videoWidth} × ${this.video.videoHeight}`);
      this.buttons.take.hidden = false;
    };
    this.video.hidden = false;
    this.buttons.start.hidden = true;
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    this.video.hidden = true;
    this.buttons.take.hidden = true;
    this.buttons.start.hidden = false;
    this.say("The camera is off.");
  }

  take() {
    const canvas = element("canvas");
    canvas.width = this.video.videoWidth;
    canvas.height = this.video.videoHeight;
    canvas.getContext("2d")?.drawImage(this.video, 0, 0);
    this.send("photo", canvas.toDataURL("image/jpeg", QUALITY));
  }

  /** The camera is on the page, perhaps once more. */
  stay() {
    clearTimeout(this.#leaving);
    this.gone = false;
  }

  /** The page was left, unless it says at once that it was not: a page that runs again sets everything up again. */
  leave() {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => {
      this.gone = true;
      this.stop();
    }, LEAVING);
  }

  /** @param {string} words */
  say(words) {
    this.words.textContent = words;
  }
}

const cameraAt = onePerPlace((root) => new Camera(root));

/** @param {Component<object>} component */
export default function ({ parentElement, setTriggerValue }) {
  const camera = cameraAt(parentElement);
  camera.send = setTriggerValue;
  camera.stay();
  return () => camera.leave();
}
