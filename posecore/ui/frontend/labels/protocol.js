// How the editor and Python agree on what is saved. What is on the screen is the truth while somebody works; Python hears
// of every finished change, saves it, and says so. Every message holds all changes that Python has not acknowledged, so
// that a message that got lost is made up for by the next one, and one that comes twice is known by its numbers.

import { Sheet } from "./sheet.js";

/** @import { Content, Edit } from "./sheet.js" */

/**
 * What Python says of changes.
 *
 * @typedef {object} News
 * @property {string} about Identity of the set: pictures of another set have the same numbers and nothing else in common.
 * @property {string} picture Identity of the picture that is shown.
 * @property {Content["people"]} people
 * @property {boolean} done
 * @property {{ tab: string, attempt: number, revisions: Record<string, number> }} seen The editor that was heard last,
 *   its last message, and which of the changes in it are saved.
 */

/**
 * What the editor says.
 *
 * @typedef {object} Message
 * @property {string} about
 * @property {string} tab Which editor speaks.
 * @property {number} attempt Number of the message.
 * @property {string[]} has Tokens of the images that the browser has.
 * @property {Record<string, Edit>} edits By picture.
 * @property {string | null} go Picture to show next.
 */

const KEPT_SHEETS = 200; // Pictures whose steps back are kept.

export class Protocol {
  /** @type {Map<string, Sheet>} */
  sheets = new Map();
  about = "";
  /** Numbers of the last message, and of the last one that Python has answered. */
  attempt = 0;
  answered = 0;
  /** Where somebody wants to go, and the message that says so. @type {{ picture: string, attempt: number | null } | null} */
  wanted = null;
  #revision = 0;

  /** @param {string} tab Tells this editor from all others. */
  constructor(tab) {
    this.tab = tab;
  }

  /** A number for the next change: no two changes of an editor have the same, whatever picture they are on. */
  nextRevision() {
    this.#revision += 1;
    return this.#revision;
  }

  get pending() {
    return [...this.sheets].filter(([, sheet]) => sheet.pending);
  }

  /** Whether the last message was not answered although somebody waits for that. */
  get lost() {
    return this.answered < this.attempt && (this.pending.length > 0 || this.wanted !== null);
  }

  /**
   * Hears Python.
   *
   * @param {News} news
   * @param {Sheet | null} busy A sheet on which something is being dragged: it stays as it is.
   * @returns {{ other: boolean, saved: boolean }} Whether it is another set, and whether something was saved.
   */
  receive(news, busy) {
    const other = news.about !== this.about;
    if (other) {
      this.about = news.about;
      this.sheets.clear();
      this.wanted = null;
    }
    const saved = news.seen.tab === this.tab && this.#acknowledge(news.seen);
    const known = this.sheets.get(news.picture);
    this.#keep(news.picture, known ?? new Sheet({ people: news.people, done: news.done }));
    if (known && !known.pending && known !== busy) known.adopt({ people: news.people, done: news.done });
    return { other, saved };
  }

  /** @param {News["seen"]} seen */
  #acknowledge({ attempt, revisions }) {
    this.answered = Math.max(this.answered, attempt);
    if (this.wanted?.attempt && attempt >= this.wanted.attempt) this.wanted = null;
    let saved = false;
    for (const [picture, revision] of Object.entries(revisions)) {
      if (this.sheets.get(picture)?.acknowledge(revision)) saved = true;
    }
    return saved;
  }

  /**
   * @param {string} picture
   * @param {Sheet} sheet
   */
  #keep(picture, sheet) {
    // Last in the map: what was not looked at for the longest time goes first.
    this.sheets.delete(picture);
    this.sheets.set(picture, sheet);
    for (const [old, one] of this.sheets) {
      if (this.sheets.size <= KEPT_SHEETS) break;
      if (old !== picture && !one.pending) this.sheets.delete(old);
    }
  }

  /**
   * The next message.
   *
   * @param {string[]} has
   * @returns {Message}
   */
  message(has) {
    this.attempt += 1;
    if (this.wanted) this.wanted.attempt ??= this.attempt;
    const edits = Object.fromEntries(this.pending.map(([picture, sheet]) => [picture, sheet.send()]));
    const { about, tab, attempt } = this;
    return { about, tab, attempt, has, edits, go: this.wanted?.picture ?? null };
  }
}
