// Which entries the browser's history has: one for every visit to a page, with what was chosen there last. What Python
// writes into the address would be an entry each; here it changes the present one, and only another page begins a new one.

/**
 * @typedef {object} Place
 * @property {string} href
 * @property {string} pathname
 */

export class Entries {
  /**
   * @param {Pick<History, "state" | "pushState" | "replaceState">} history
   * @param {Place} location
   */
  constructor(history, location) {
    this.history = history;
    this.location = location;
    this.push = history.pushState.bind(history);
    this.replace = history.replaceState.bind(history);
    this.noticed = location.href;
  }

  /** The visitor does something. If that leads to another page, this is the address to come back to. */
  notice() {
    this.noticed = this.location.href;
  }

  /**
   * In place of `history.pushState`.
   *
   * @param {unknown} state
   * @param {string} unused
   * @param {string | URL | null} [url]
   */
  write(state, unused, url) {
    const next = new URL(url ?? "", this.location.href);
    if (next.pathname === this.location.pathname) {
      this.replace(state, unused, url);
      return;
    }
    // On the way to another page Streamlit empties the address of the one that is left.
    if (new URL(this.noticed).pathname === this.location.pathname) {
      this.replace(this.history.state, unused, this.noticed);
    }
    this.push(state, unused, url);
  }
}
