// Pictures that the browser has, so that Python need not send them again.

const KEPT = 6;

export class Images {
  /** @type {Map<string, HTMLImageElement>} */
  #images = new Map();
  /** The picture that Python was asked for. @type {string | null} */
  #asked = null;

  get tokens() {
    return [...this.#images.keys()];
  }

  /** @param {string} token */
  get(token) {
    return this.#images.get(token);
  }

  /**
   * @param {string} token
   * @param {string} url
   * @param {string | undefined} shown Token of the picture that is shown, which stays.
   */
  remember(token, url, shown) {
    this.#asked = null;
    if (!this.#images.has(token)) {
      const image = new Image();
      image.src = url;
      this.#images.set(token, image);
    }
    for (const old of this.tokens) {
      if (this.#images.size <= KEPT) break;
      if (old !== token && old !== shown) this.#images.delete(old);
    }
  }

  /**
   * Whether to ask for a picture. Once: if the answer does not bring it either, asking again would go on for ever.
   *
   * @param {string} token
   */
  mayAsk(token) {
    const first = this.#asked !== token;
    this.#asked = token;
    return first;
  }
}
