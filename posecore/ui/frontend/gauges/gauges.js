// What the people before a camera measure: an angle and its last seconds in a row each, and how often something was done.

import { addShape, element, find } from "../shared/elements.js";
import { Live } from "../shared/live.js";
import { onePerPlace } from "../shared/streamlit.js";
import { curvePath, keepReading } from "./curve.js";

/** @import { Component } from "../shared/streamlit.js" */
/** @import { Reading } from "./curve.js" */

/**
 * @typedef {object} Data
 * @property {string} label What is shown, for those who do not see it.
 * @property {string} live Where the people before the camera are told.
 * @property {string[]} measures What is measured, in words.
 */

/**
 * Somebody before the camera: degrees in the order of the measures, and repetitions where they are counted.
 *
 * @typedef {{ number: number, color: string, values: (number | null)[], count: number | null }} Person
 */
/** @typedef {{ seconds: number, people: Person[], words: string }} Told */
/** @typedef {{ value: HTMLElement, curve: Element, readings: Reading[] }} Row */
/** `seen`: the second in which the person was seen last. @typedef {{ root: HTMLElement, count: HTMLElement, rows: Row[], seen: number }} Card */

const STRAIGHT = 180; // Degrees.
const CURVE = { width: 120, height: 28 };
const AWAY = 5; // Seconds for which somebody who is not seen stays.

class Gauges {
  /** @type {Data | null} */
  data = null;
  /** By the numbers of the people. @type {Map<number, Card>} */
  cards = new Map();

  /** @param {ParentNode} root */
  constructor(root) {
    this.words = find(root, ".words", HTMLElement);
    this.people = find(root, ".people", HTMLElement);
    this.live = new Live(
      (/** @type {Told} */ told) => this.hear(told),
      ({ words }) => {
        this.clear();
        this.words.textContent = words;
      },
    );
  }

  /** @param {Data} data */
  show(data) {
    if (String(this.data?.measures) !== String(data.measures)) this.clear();
    this.data = data;
    this.people.setAttribute("aria-label", data.label);
    this.live.ask(data.live);
  }

  clear() {
    this.cards.clear();
    this.people.replaceChildren();
  }

  /** @param {Told} told */
  hear({ seconds, people, words }) {
    const { measures } = this.data ?? { measures: [] };
    this.words.textContent = words;
    // What was told before other measures were chosen.
    if (people.some(({ values }) => values.length !== measures.length)) return;
    for (const [number, card] of this.cards) {
      if (!people.some((person) => person.number === number)) this.miss(number, card, seconds);
    }
    for (const person of people) this.showPerson(person, measures, seconds);
  }

  /**
   * Somebody is not seen now; for a moment only, or the clock is another camera's, or they are gone.
   *
   * @param {number} number
   * @param {Card} card
   * @param {number} seconds
   */
  miss(number, card, seconds) {
    card.root.classList.add("away");
    for (const row of card.rows) showReading(row, seconds, null);
    if (Math.abs(seconds - card.seen) < AWAY) return;
    card.root.remove();
    this.cards.delete(number);
  }

  /**
   * @param {Person} person
   * @param {string[]} measures
   * @param {number} seconds
   */
  showPerson(person, measures, seconds) {
    const known = this.cards.get(person.number);
    const card = known ?? newCard(person, measures);
    card.seen = seconds;
    card.root.classList.remove("away");
    if (!known) {
      this.cards.set(person.number, card);
      this.people.append(card.root);
    }
    card.count.hidden = person.count === null;
    card.count.textContent = String(person.count ?? "");
    card.rows.forEach((row, index) => {
      showReading(row, seconds, person.values[index]);
    });
  }
}

/**
 * @param {Row} row
 * @param {number} seconds
 * @param {number | null} degrees
 */
function showReading({ value, curve, readings }, seconds, degrees) {
  value.textContent = degrees === null ? "–" : `${Math.round(degrees)}°`;
  keepReading(readings, [seconds, degrees]);
  curve.setAttribute("d", curvePath(readings, STRAIGHT, CURVE));
}

/**
 * @param {Person} person
 * @param {string[]} measures
 * @returns {Card}
 */
function newCard({ number, color }, measures) {
  const root = element("section");
  root.style.setProperty("--person", color);
  const head = element("h4", `Person ${number}`);
  const count = element("span");
  count.className = "count";
  count.title = "Repetitions";
  root.append(head, count);
  const rows = measures.map((name) => newRow(root, name));
  return { root, count, rows, seen: 0 };
}

/**
 * @param {HTMLElement} parent
 * @param {string} name
 * @returns {Row}
 */
function newRow(parent, name) {
  const value = element("b");
  parent.append(element("span", name), value);
  const { width, height } = CURVE;
  const box = addShape(parent, "svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  box.setAttribute("aria-hidden", "true");
  return { value, curve: addShape(box, "path", {}), readings: [] };
}

const gaugesAt = onePerPlace((root) => new Gauges(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement }) {
  const gauges = gaugesAt(parentElement);
  gauges.show(data);
  return () => gauges.live.ask("");
}
