// What is drawn on one picture, its changes, and how much of it Python has.

import { freshId, holdJoints, samePeople, toEntry } from "./people.js";

/** @import { Entry, Person } from "./people.js" */

/** What can be gone back to. @typedef {{ people: Person[], done: boolean }} Snapshot */
/** What Python knows: people, and whether nothing is left to look at. @typedef {{ people: Entry[], done: boolean }} Content */
/** A change on its way. @typedef {Content & { revision: number, base: Content, base_revision: number }} Edit */

const STEPS_BACK = 300;

export class Sheet {
  /** @type {Snapshot[]} */
  undone = [];
  /** @type {Snapshot[]} */
  redone = [];
  /** The last change, and the last one that Python has saved. */
  revision = 0;
  saved = 0;
  /** What the next change begins with: `base` has all changes up to `baseRevision` in it. */
  baseRevision = 0;
  /** @type {(Content & { revision: number }) | null} */
  #sent = null;

  /** @param {Content} content */
  constructor(content) {
    this.people = content.people.map((person, index) => ({ ...structuredClone(person), id: `s${index}` }));
    this.done = content.done;
    this.base = structuredClone(content);
  }

  /** Whether there is something that Python has not saved. */
  get pending() {
    return this.revision > this.saved;
  }

  /** @param {string | null} id */
  person(id) {
    return this.people.find((person) => person.id === id) ?? null;
  }

  /** @returns {Snapshot} */
  snapshot() {
    return structuredClone({ people: this.people, done: this.done });
  }

  /**
   * Ends a change that began with `before`. A picture with people is done once no proposal is left; one with nobody on
   * it only when somebody says so.
   *
   * @param {Snapshot} before
   * @param {number} revision
   * @param {boolean} [done] What somebody says.
   */
  commit(before, revision, done) {
    this.undone.push(before);
    this.undone.splice(0, this.undone.length - STEPS_BACK);
    this.redone = [];
    this.amend(revision, done);
  }

  /**
   * Goes on with the last change: both are undone together.
   *
   * @param {number} revision
   * @param {boolean} [done]
   */
  amend(revision, done) {
    this.people.forEach(holdJoints);
    this.done = done ?? (this.people.length > 0 && !this.people.some(({ proposed }) => proposed));
    this.revision = revision;
  }

  /** @param {number} revision */
  undo(revision) {
    return this.#step(this.undone, this.redone, revision);
  }

  /** @param {number} revision */
  redo(revision) {
    return this.#step(this.redone, this.undone, revision);
  }

  /**
   * @param {Snapshot[]} from
   * @param {Snapshot[]} to
   * @param {number} revision
   */
  #step(from, to, revision) {
    const back = from.pop();
    if (!back) return false;
    to.push(this.snapshot());
    this.people = back.people;
    this.done = back.done;
    this.revision = revision;
    return true;
  }

  /**
   * The change as it is now, to be sent.
   *
   * @returns {Edit}
   */
  send() {
    const sent = structuredClone({ people: this.people.map(toEntry), done: this.done, revision: this.revision });
    this.#sent = sent;
    return { ...sent, base: this.base, base_revision: this.baseRevision };
  }

  /**
   * Python has saved a change.
   *
   * @param {number} revision
   */
  acknowledge(revision) {
    if (revision <= this.saved) return false;
    this.saved = revision;
    const sent = this.#sent;
    if (sent?.revision === revision) {
      this.base = { people: sent.people, done: sent.done };
      this.baseRevision = revision;
    }
    return true;
  }

  /**
   * Takes what Python shows, which may come from somebody else. Not while changes are on their way to it.
   *
   * @param {Content} theirs
   */
  adopt(theirs) {
    this.base = structuredClone(theirs);
    this.baseRevision = this.revision;
    if (this.done === theirs.done && samePeople(this.people, theirs.people)) return;
    this.undone.push(this.snapshot());
    this.redone = [];
    // Who was chosen stays chosen, by place in the list.
    const ids = this.people.map(({ id }) => id);
    this.people = theirs.people.map((person, index) => ({ ...structuredClone(person), id: ids[index] ?? freshId() }));
    this.done = theirs.done;
  }
}
