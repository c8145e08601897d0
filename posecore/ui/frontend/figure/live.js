// People before a camera: the server is asked for the newest ones again and again, for as long as somebody looks.

/** @typedef {[number, number, number]} Place */
/**
 * @typedef {object} Told
 * @property {{ color: string, joints: (Place | null)[] }[]} people Joints in metres; null for an unknown one.
 * @property {[number, number]} middle Metres: x and z of the point that is looked at.
 * @property {string} words Why nobody is shown.
 * @property {boolean} [over] Whether nothing more will come.
 */

const PAUSE = 400; // Milliseconds until the next question where an answer held nobody.

export class LiveFigures {
  /** @type {AbortController | null} */
  #asking = null;
  #address = "";

  /** @param {(told: Told) => void} take */
  constructor(take) {
    this.take = take;
  }

  /**
   * Asks there from now on; nowhere with an empty address.
   *
   * @param {string} address Relative to the page.
   */
  ask(address) {
    if (address === this.#address) return;
    this.#asking?.abort();
    this.#address = address;
    this.#asking = address ? new AbortController() : null;
    if (this.#asking) this.#go(new URL(address, document.baseURI).href, this.#asking.signal);
  }

  /**
   * @param {string} address
   * @param {AbortSignal} signal
   */
  async #go(address, signal) {
    while (!signal.aborted) {
      const told = await ask(address, signal);
      if (signal.aborted) return;
      if (told) this.take(told);
      if (told?.over) return;
      // The browser's next picture comes only where the page is seen.
      await (told ? nextPicture() : new Promise((done) => setTimeout(done, PAUSE)));
    }
  }
}

/**
 * The newest people; null where there are none to be had now.
 *
 * @param {string} address
 * @param {AbortSignal} signal
 * @returns {Promise<Told | null>}
 */
async function ask(address, signal) {
  try {
    const answer = await fetch(address, { signal, cache: "no-store" });
    if (answer.status === 404) return { people: [], middle: [0, 0], words: await answer.text(), over: true };
    return answer.status === 200 ? await answer.json() : null;
  } catch {
    return null; // The server is gone, or nobody looks any more.
  }
}

function nextPicture() {
  return new Promise((done) => requestAnimationFrame(done));
}
