// What a camera sees: the server is asked for the newest again and again, for as long as somebody looks.

/**
 * @typedef {object} Gone
 * @property {string} words Why nothing more will come.
 * @property {true} over
 */

const PAUSE = 400; // Milliseconds until the next question where an answer held nobody.

/** @template Told What the server tells. */
export class Live {
  /** @type {AbortController | null} */
  #asking = null;
  #address = "";

  /**
   * @param {(told: Told) => void} take
   * @param {(gone: Gone) => void} end
   */
  constructor(take, end) {
    this.take = take;
    this.end = end;
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
      if (isGone(told)) return this.end(told);
      if (told) this.take(/** @type {Told} */ (told));
      // The browser's next picture comes only where the page is seen.
      await (told ? nextPicture() : new Promise((done) => setTimeout(done, PAUSE)));
    }
  }
}

/**
 * @param {unknown} told
 * @returns {told is Gone}
 */
function isGone(told) {
  return typeof told === "object" && told !== null && "over" in told;
}

/**
 * The newest; null where there is nothing to be had now.
 *
 * @param {string} address
 * @param {AbortSignal} signal
 * @returns {Promise<unknown>}
 */
async function ask(address, signal) {
  try {
    const answer = await fetch(address, { signal, cache: "no-store" });
    if (answer.status === 404) return { words: await answer.text(), over: true };
    return answer.status === 200 ? await answer.json() : null;
  } catch {
    return null; // The server is gone, or nobody looks any more.
  }
}

function nextPicture() {
  return new Promise((done) => requestAnimationFrame(done));
}
