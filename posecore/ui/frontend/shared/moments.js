// What moment is shown: whoever plays a clip tells it, whoever goes along listens.

const EVENT = "posecore-moment";

/**
 * Tells that a moment is shown.
 *
 * @param {string} channel What belongs together.
 * @param {number} moment Seconds of the video.
 */
export function tellMoment(channel, moment) {
  document.dispatchEvent(new CustomEvent(EVENT, { detail: { channel, moment } }));
}

/**
 * Listens until the function that it returns is called.
 *
 * @param {(channel: string, moment: number) => void} listener
 */
export function onMoment(listener) {
  /** @param {Event} event */
  const heard = (event) => {
    if (event instanceof CustomEvent) listener(event.detail.channel, event.detail.moment);
  };
  document.addEventListener(EVENT, heard);
  return () => document.removeEventListener(EVENT, heard);
}
