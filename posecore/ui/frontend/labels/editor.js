// The state of the label editor, and what is on the screen of it.

import { find, findButtons } from "../shared/elements.js";
import { Pointers } from "../shared/pointers.js";
import { Stage } from "../shared/stage.js";
import { drawHint, drawPeople } from "./drawing.js";
import { hit } from "./hits.js";
import { Images } from "./images.js";
import { showPanel } from "./panel.js";
import { freshId } from "./people.js";
import { Protocol } from "./protocol.js";
import { Sender } from "./sending.js";
import { inWords } from "./states.js";
import { showStatus } from "./status.js";

/** @import { Box, Point, Size } from "../shared/geometry.js" */
/** @import { Gesture } from "./gestures.js" */
/** @import { Spot } from "./hits.js" */
/** @import { Entry } from "./people.js" */
/** @import { News } from "./protocol.js" */

/**
 * What Python shows.
 *
 * @typedef {object} Shown
 * @property {string} alt
 * @property {string} token Of the image.
 * @property {string | null} image Data URL, or null when the browser has it.
 * @property {number} width
 * @property {number} height
 * @property {string} room CSS length: how high the picture may be.
 * @property {{ names: string[], edges: [number, number][], sides: string[], template: Point[] }} skeleton
 * @property {Record<string, string>} colors By side.
 * @property {Box[]} regions Boxes that are only shown.
 * @property {(Size & { people: Entry[] }) | null} before People of the picture before, and its size.
 * @property {string | null} previous Identities of pictures where one can go; `open` is the next that is not done.
 * @property {string | null} next
 * @property {string | null} open
 * @property {string} where Where one is, in words.
 * @property {string | null} trouble Why the last changes were not saved.
 */

/** @typedef {News & Shown} Data */

/**
 * What the next press means, unless it is to choose and drag: a box around a new person, or the place of a joint (of a
 * new person, if null), alone or one after the other.
 *
 * @typedef {{ kind: "box" } | { kind: "place", chain: boolean, person: string | null, joint: number, label: number }} Mode
 */

const DEEPEST = 40;

export class Editor {
  pointers = new Pointers();
  images = new Images();
  protocol = new Protocol(freshId());
  /** Who and which joint are chosen. @type {string | null} */
  person = null;
  /** @type {number | null} */
  joint = null;
  /** @type {Mode | null} */
  mode = null;
  /** @type {Gesture | null} */
  gesture = null;
  /** Which joint was last moved by the keyboard. @type {string | null} */
  nudged = null;
  /** When Python last saved something. @type {Date | null} */
  savedAt = null;
  /** What Python said last, and what of it is on the screen. @type {Data | null} */
  incoming = null;
  /** @type {Data | null} */
  shown = null;

  /** @param {ParentNode} root */
  constructor(root) {
    this.root = find(root, ".posecore-labels", HTMLElement);
    /** @param {string} name */
    const part = (name) => find(this.root, `.${name}`, HTMLElement);
    this.parts = {
      tip: part("tip"),
      note: part("note"),
      keys: part("keys"),
      people: part("people"),
      joints: part("joints"),
      states: part("states"),
      saved: part("saved"),
      trouble: part("trouble"),
      where: part("where"),
    };
    this.marks = find(this.root, ".marks", SVGElement);
    const names = /** @type {const} */ ([
      "accept",
      "remove",
      "undo",
      "redo",
      "add",
      "chain",
      "copy",
      "finish",
      "previous",
      "next",
      "ask",
    ]);
    this.buttons = findButtons(this.root, ...names);
    this.stage = new Stage(this.root, { deepest: DEEPEST, screen: this.root, onPlace: () => this.draw() });
    this.sender = new Sender(this.protocol, {
      has: () => this.images.tokens,
      alive: () => this.root.isConnected,
      onSent: () => showStatus(this),
    });
  }

  /** What Python shows. Throws before it has shown anything. */
  get data() {
    if (!this.shown) throw new Error("Nothing is shown yet.");
    return this.shown;
  }

  /** What is drawn on the picture that is shown. */
  get sheet() {
    const sheet = this.protocol.sheets.get(this.data.picture);
    if (!sheet) throw new Error("The picture has no sheet.");
    return sheet;
  }

  /** Who is chosen. */
  get chosen() {
    return this.sheet.person(this.person);
  }

  // --- what Python says ---

  /** @param {Data} data */
  receive(data) {
    this.incoming = data;
    const { other, saved } = this.protocol.receive(data, this.gesture?.sheet ?? null);
    if (saved) this.savedAt = new Date();
    if (other) this.shown = null;
    if (this.shown && !this.chosen) this.choose(this.sheet.people[0]?.id ?? null);
    const { token } = data;
    const shownToken = this.stage.shown.dataset.token;
    if (data.image) this.images.remember(token, data.image, shownToken);
    const image = this.images.get(token);
    if (!image) {
      if (this.images.mayAsk(token)) this.sender.flush();
      return;
    }
    // Decoded before it is shown: picture and people change in one step.
    const swap = () => {
      if (this.incoming === data) this.present(data, image);
    };
    if (shownToken === token) swap();
    else image.decode().then(swap, swap);
  }

  /**
   * @param {Data} data
   * @param {HTMLImageElement} image
   */
  present(data, image) {
    const { stage, parts } = this;
    const other = this.shown?.picture !== data.picture;
    this.shown = data;
    if (other) {
      stage.viewport.fit();
      this.gesture = null;
      this.choose(this.sheet.people[0]?.id ?? null);
      this.setMode(null);
      this.hint(null);
    }
    if (stage.shown.dataset.token !== data.token) {
      stage.shown.src = image.src;
      stage.shown.dataset.token = data.token;
    }
    stage.shown.alt = data.alt;
    stage.frame.dataset.picture = data.picture;
    stage.frame.setAttribute("aria-label", `${data.alt}. Press ? for the keys.`);
    this.root.style.setProperty("--room", data.room);
    this.root.style.setProperty("--ratio", String(data.width / data.height));
    parts.trouble.hidden = !(data.trouble && this.protocol.pending.length);
    find(parts.trouble, "span", HTMLElement).textContent = data.trouble ?? "";
    stage.measure(data);
    stage.place();
  }

  // --- choosing, modes ---

  /**
   * @param {string | null} person
   * @param {number | null} [joint]
   */
  choose(person, joint = null) {
    this.person = person;
    this.joint = joint;
  }

  /** @param {Mode | null} mode */
  setMode(mode) {
    this.mode = mode;
    this.stage.frame.classList.toggle("aiming", mode !== null);
    this.buttons.add.setAttribute("aria-pressed", String(mode?.kind === "box"));
    this.buttons.chain.setAttribute("aria-pressed", String(mode?.kind === "place" && mode.chain));
    this.note(mode ? this.#wordsOf(mode) : "");
  }

  /** @param {Mode} mode */
  #wordsOf(mode) {
    if (mode.kind === "box") return "Drag a box around the person. Esc ends this.";
    const joint = inWords(this.data.skeleton.names[mode.joint]);
    if (!mode.chain) return `Click on the ${joint}. Esc ends this.`;
    return `Click on the ${joint}. With Shift: it is hidden. S: skip it. Esc: that is all.`;
  }

  /** @param {string} words */
  note(words) {
    this.parts.note.textContent = words;
    this.parts.note.style.display = words ? "block" : "none";
  }

  /** @param {boolean} open */
  showKeys(open) {
    this.parts.keys.hidden = !open;
    this.buttons.ask.setAttribute("aria-expanded", String(open));
  }

  get keysShown() {
    return !this.parts.keys.hidden;
  }

  // --- drawing ---

  draw() {
    if (!this.shown) return;
    drawPeople(this);
    showPanel(this);
    showStatus(this);
  }

  /**
   * What lies at a place of the picture.
   *
   * @param {Spot} spot
   */
  under(spot) {
    return hit(this.sheet.people, this.data.skeleton.edges, this.person, spot);
  }

  /**
   * Names what is under the pointer.
   *
   * @param {Spot | null} spot
   */
  hint(spot) {
    drawHint(this, spot, spot && !this.mode ? this.under(spot) : null);
  }

  /**
   * @param {MouseEvent} event
   * @returns {Spot}
   */
  spot(event) {
    const { viewport } = this.stage;
    const kind = event instanceof PointerEvent && event.pointerType ? event.pointerType : "mouse";
    return { source: viewport.toSource(this.stage.at(event)), scale: viewport.scale, kind };
  }
}
