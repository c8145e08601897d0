// When the editor speaks to Python: at once, after a pause, and again when there is no answer.

import { wakePage } from "../shared/wake.js";

/** @import { Message, Protocol } from "./protocol.js" */

const PAUSE = 150; // Milliseconds of quiet after which what keys changed is sent.
const PATIENCE = 4000; // Milliseconds after which unanswered changes are sent again.
const SETTLING = 2000; // Milliseconds that the whole page may take to run.

/** @typedef {ReturnType<typeof setTimeout>} Timer */

export class Sender {
  /** @type {(name: string, value: Message) => void} */
  trigger = () => {};
  /** @type {Timer | undefined} */
  #pause;
  /** @type {Timer | undefined} */
  #patience;

  /**
   * @param {Protocol} protocol
   * @param {object} around
   * @param {() => string[]} around.has Tokens of the images that the browser has.
   * @param {() => boolean} around.alive Whether the editor is still on the page.
   * @param {() => void} around.onSent
   */
  constructor(protocol, around) {
    this.protocol = protocol;
    this.around = around;
  }

  /** Whether something waits for quiet. */
  get waiting() {
    return this.#pause !== undefined;
  }

  /** Sends all that Python does not have. */
  flush() {
    clearTimeout(this.#pause);
    clearTimeout(this.#patience);
    this.#pause = undefined;
    this.trigger("event", this.protocol.message(this.around.has()));
    this.#patience = setTimeout(() => this.#insist(), PATIENCE);
    this.around.onSent();
  }

  /** Sends soon, unless something else happens before. */
  flushSoon() {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => this.flush(), PAUSE);
  }

  // Whatever got lost on the way is sent once more. A server that was started anew knows nothing of this part of the page
  // until the whole page has run.
  #insist() {
    if (!this.protocol.lost || !this.around.alive()) return;
    wakePage();
    this.#patience = setTimeout(() => this.flush(), SETTLING);
  }
}
