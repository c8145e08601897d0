// Pictures that take the place of others without a flicker.

/** @import { Stage } from "./stage.js" */

/**
 * A picture as Python sends it.
 *
 * @typedef {object} Picture
 * @property {string} image Data URL.
 * @property {string} token Changes with the image.
 * @property {string} alt What it shows, for those who do not see it.
 * @property {number} width Of the source, in pixels.
 * @property {number} height
 * @property {string} room CSS length: how high it may be.
 */

/**
 * Shows a picture in a stage; `frame.dataset.shown` is its token once it is there.
 *
 * @param {Stage} stage
 * @param {Picture} picture
 */
export function showPicture(stage, picture) {
  const { frame, shown } = stage;
  if (frame.dataset.token === picture.token) return;
  frame.dataset.token = picture.token;
  const next = new Image();
  next.src = picture.image;
  // Decoded before it is shown: the picture changes in one step.
  const swap = () => {
    if (frame.dataset.token !== picture.token) return;
    frame.style.setProperty("--ratio", String(picture.width / picture.height));
    frame.style.setProperty("--room", picture.room);
    shown.src = next.src;
    shown.alt = picture.alt;
    frame.dataset.shown = picture.token;
    stage.place();
  };
  next.decode().then(swap, swap);
}
