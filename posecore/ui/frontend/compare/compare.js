// Two to four results for one picture: side by side, blinking in one place, or two with an edge between them; zoom, pan
// and pointer in step.

import { element, find, findButtons, toggleFullScreen } from "../shared/elements.js";
import { onePerPlace } from "../shared/streamlit.js";
import { layOut } from "./layout.js";
import { Tile } from "./tile.js";
import { Together } from "./together.js";

/** @import { Component } from "../shared/streamlit.js" */
/** @import { Column } from "./tile.js" */

/**
 * @typedef {object} Data
 * @property {string} picture Changes with what is shown; zoom and place are kept while it stays the same.
 * @property {Column[]} columns
 * @property {number} reserved CSS pixels of the window's height that other things take.
 */

/** @typedef {"side" | "blink" | "swipe"} View */

const LEAST = 260; // CSS pixels that pictures may be high at least.
const BEAT = 800; // Milliseconds that a column is seen while they blink.
const AROUND = 70; // CSS pixels of bar and edges in full screen.
const STEP = 1.5; // Zoom of one press of a button.

class CompareView {
  /** @type {Data | null} */
  data = null;
  /** @type {Tile[]} */
  tiles = [];
  together = new Together();
  /** @type {View} */
  view = "side";
  /** The column that is seen while they blink. */
  seen = 0;
  paused = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  beat = undefined;

  /** @param {ParentNode} root */
  constructor(root) {
    this.root = find(root, ".posecore-compare", HTMLElement);
    this.grid = find(root, ".grid", HTMLElement);
    this.letters = find(root, ".letters", HTMLElement);
    this.pair = find(root, ".pair", HTMLElement);
    this.sides = [find(root, "select.left", HTMLSelectElement), find(root, "select.right", HTMLSelectElement)];
    this.edge = find(root, ".edge", HTMLInputElement);
    this.buttons = findButtons(root, "side", "blink", "swipe", "pause", "in", "out", "fit", "full");
    for (const view of /** @type {const} */ (["side", "blink", "swipe"])) {
      this.buttons[view].onclick = () => this.look(view);
    }
    this.buttons.pause.onclick = () => this.pause(!this.paused);
    this.buttons.in.onclick = () => this.shown()?.stage.zoomBy(STEP);
    this.buttons.out.onclick = () => this.shown()?.stage.zoomBy(1 / STEP);
    this.buttons.fit.onclick = () => this.shown()?.stage.fit();
    this.buttons.full.onclick = () => toggleFullScreen(this.root);
    this.edge.oninput = () => this.grid.style.setProperty("--edge", `${this.edge.value}%`);
    for (const side of this.sides) side.onchange = () => this.arrange();
    new ResizeObserver(() => this.fill()).observe(this.root);
    window.addEventListener("resize", () => this.fill());
    matchMedia("(prefers-reduced-motion: reduce)").matches && this.pause(true);
  }

  /** @param {Data} data */
  show(data) {
    const another = this.data?.picture !== data.picture;
    this.data = data;
    this.build(data.columns);
    if (another) for (const { stage } of this.tiles) stage.viewport.fit();
    this.fill();
    data.columns.forEach((column, index) => {
      this.tiles[index].show(column);
    });
    this.arrange();
  }

  /** @param {Column[]} columns */
  build(columns) {
    if (this.tiles.length === columns.length) return;
    const told = {
      onPlace: (/** @type {Tile} */ tile) => this.together.follow(tile.stage),
      onPoint: (/** @type {Tile} */ tile, /** @type {[number, number] | null} */ source) => {
        for (const one of this.tiles) one.point(source, one === tile);
      },
    };
    const { zoom, origin, frame } = this.tiles[0]?.stage.viewport ?? {};
    this.tiles = columns.map(() => new Tile(told));
    this.together.stages = this.tiles.map(({ stage }) => stage);
    if (zoom && origin && frame) {
      for (const { stage } of this.tiles) Object.assign(stage.viewport, { zoom, origin, frame });
    }
    this.grid.replaceChildren(...this.tiles.map(({ root }) => root));
    this.letters.replaceChildren(...columns.map((column, index) => this.letterButton(column.letter, index)));
    const chosen = this.sides.map((side, index) => Math.min(Number(side.value || index), columns.length - 1));
    this.sides.forEach((side, place) => {
      side.replaceChildren(...columns.map(({ letter }, index) => new Option(letter, String(index))));
      side.value = String(chosen[0] === chosen[1] ? place : chosen[place]);
    });
    this.seen = Math.min(this.seen, columns.length - 1);
  }

  /**
   * @param {string} letter
   * @param {number} index
   */
  letterButton(letter, index) {
    const button = element("button", letter);
    button.type = "button";
    button.onclick = () => {
      this.seen = index;
      this.pause(true);
    };
    return button;
  }

  /** A tile that is seen; all others follow it. */
  shown() {
    return this.tiles.find(({ root }) => !root.classList.contains("away"));
  }

  /** @param {View} view */
  look(view) {
    this.view = view;
    this.arrange();
    this.fill();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.paused = paused;
    this.buttons.pause.textContent = paused ? "Play" : "Pause";
    this.buttons.pause.setAttribute("aria-pressed", String(paused));
    this.arrange();
  }

  /** Shows the columns that the view wants. */
  arrange() {
    const { view } = this;
    this.grid.dataset.view = view;
    for (const name of /** @type {const} */ (["side", "blink", "swipe"])) {
      this.buttons[name].setAttribute("aria-pressed", String(name === view));
    }
    this.letters.hidden = this.buttons.pause.hidden = view !== "blink";
    this.edge.hidden = view !== "swipe";
    this.pair.hidden = view !== "swipe" || this.tiles.length < 3;
    clearInterval(this.beat);
    if (view === "blink" && !this.paused) this.beat = setInterval(() => this.next(), BEAT);
    this.uncover();
  }

  next() {
    if (!this.root.isConnected) clearInterval(this.beat);
    else {
      this.seen = (this.seen + 1) % this.tiles.length;
      this.uncover();
    }
  }

  uncover() {
    const [left, right] = this.sides.map(({ value }) => Number(value));
    this.tiles.forEach(({ root }, index) => {
      const seen = { side: true, blink: index === this.seen, swipe: index === left || index === right }[this.view];
      root.classList.toggle("away", !seen);
      root.classList.toggle("over", this.view === "swipe" && index === right && left !== right);
    });
    [...this.letters.children].forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === this.seen));
    });
  }

  /** Makes pictures as large as there is room. */
  fill() {
    if (!this.data) return;
    const [{ width, height }] = this.data.columns;
    const whole = document.fullscreenElement === this.root;
    const room = Math.max(LEAST, window.innerHeight - (whole ? AROUND : this.data.reserved));
    const count = this.view === "side" ? this.tiles.length : 1;
    const layout = layOut(count, width / height, this.grid.clientWidth, room);
    this.root.style.setProperty("--width", `${layout.width}px`);
    this.grid.style.setProperty("--across", String(layout.across));
  }
}

const viewAt = onePerPlace((root) => new CompareView(root));

/** @param {Component<Data>} component */
export default function ({ data, parentElement }) {
  viewAt(parentElement).show(data);
}
