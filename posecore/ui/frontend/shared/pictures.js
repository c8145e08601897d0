// Pictures that take the place of others without a flicker.

/** @import { Stage } from "./stage.js" */

/**
 * A picture as Python sends it.
 *
 * @typedef {object} Picture
 * @property {string} image Address, relative to the app's pages.
 * @property {string} token Changes with the image.
 * @property {string} alt What it shows, for those who do not see it.
 * @property {number} width Of the source, in pixels.
 * @property {number} height
 * @property {string} room CSS length: how high it may be.
 */

/**
 * Shows a picture in a stage, and calls `then` once it is there: at once where it is already.
 *
 * @param {Stage} stage
 * @param {Picture} picture
 * @param {() => void} then
 */
export function showPicture(stage, picture, then) {
  const { frame, shown } = stage;
  const { token } = picture;
  if (frame.dataset.token === token) {
    if (frame.dataset.picture === token) then();
    return;
  }
  frame.dataset.token = token;
  const next = new Image();
  next.src = new URL(picture.image, document.baseURI).href;
  // Decoded before it is shown: the picture changes in one step.
  const swap = () => {
    if (frame.dataset.token !== token) return;
    frame.style.setProperty("--ratio", String(picture.width / picture.height));
    frame.style.setProperty("--room", picture.room);
    shown.src = next.src;
    shown.alt = picture.alt;
    frame.dataset.picture = token;
    stage.place();
    then();
  };
  next.decode().then(swap, () => {
    swap();
    // Asked for again when Python speaks next.
    delete frame.dataset.token;
  });
}
