// People and a marked part, drawn above a picture from the shapes that Python lists.

import { addShape } from "../shared/elements.js";

/**
 * Shapes in pixels of the drawing. `at` has four numbers for each of `lines` (start and end), two for each of `discs`,
 * (left, top, width, height) for a `plate` and (left, base line) for `text`.
 *
 * @typedef {object} Stroke
 * @property {"lines" | "discs" | "plate" | "text"} kind
 * @property {number[]} at
 * @property {[number, string[]][]} [layers] Of lines and discs, each on top of the one before: width or radius, and one
 *   colour for all or one each.
 * @property {string} [color] Of a plate and of text.
 * @property {string} [text]
 * @property {number} [size] Of letters.
 * @property {number} [length] Of the text.
 * @property {boolean} [bold]
 * @property {[string, number] | null} [rim] Colour and width around letters.
 */

/**
 * @typedef {object} Drawing
 * @property {[number, number]} size In whose pixels all is.
 * @property {[string, number]} ground Colour and opacity of what covers the picture.
 * @property {[number, number, number, number] | null} region Outside of it the picture is dimmed.
 * @property {number} dim By this much.
 * @property {Stroke[]} under
 * @property {Stroke[]} over
 * @property {number} opacity Of all of `over`.
 */

/**
 * @param {SVGElement} svg
 * @param {Drawing} drawing
 */
export function paint(svg, { size: [width, height], ground, region, dim, under, over, opacity }) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const whole = `M0 0H${width}V${height}H0Z`;
  if (region) {
    const [left, top, right, bottom] = region;
    const d = `${whole}M${left} ${top}V${bottom}H${right}V${top}Z`;
    addShape(svg, "path", { d, fill: "#000", "fill-opacity": dim });
  }
  for (const stroke of under) paintStroke(svg, stroke);
  if (ground[1]) addShape(svg, "path", { d: whole, fill: ground[0], "fill-opacity": ground[1] });
  const people = addShape(svg, "g", { opacity });
  for (const stroke of over) paintStroke(people, stroke);
}

/**
 * @param {Element} parent
 * @param {Stroke} stroke
 */
function paintStroke(parent, stroke) {
  const { kind, at, layers = [], color = "" } = stroke;
  if (kind === "text") paintText(parent, stroke);
  if (kind === "plate") addShape(parent, "rect", { x: at[0], y: at[1], width: at[2], height: at[3], fill: color });
  for (const [size, colors] of layers) {
    if (kind === "lines") paintLines(parent, at, size, colors);
    else paintDiscs(parent, at, size, colors);
  }
}

/**
 * @param {Element} parent
 * @param {number[]} at
 * @param {number} width
 * @param {string[]} colors
 */
function paintLines(parent, at, width, colors) {
  for (const [stroke, d] of byColor(at, 4, colors, ([x0, y0, x1, y1]) => `M${x0} ${y0}L${x1} ${y1}`)) {
    addShape(parent, "path", { d, stroke, "stroke-width": width, "stroke-linecap": "round", fill: "none" });
  }
}

/**
 * @param {Element} parent
 * @param {number[]} at
 * @param {number} radius
 * @param {string[]} colors
 */
function paintDiscs(parent, at, radius, colors) {
  const half = `a${radius} ${radius} 0 1 0`;
  /** @param {number[]} at */
  const disc = ([x, y]) => `M${x - radius} ${y}${half} ${2 * radius} 0${half} ${-2 * radius} 0Z`;
  for (const [fill, d] of byColor(at, 2, colors, disc)) addShape(parent, "path", { d, fill });
}

/**
 * Colours and paths: neighbours of one colour are one path.
 *
 * @param {number[]} at
 * @param {number} each Numbers of one shape.
 * @param {string[]} colors
 * @param {(numbers: number[]) => string} path
 * @returns {[string, string][]}
 */
export function byColor(at, each, colors, path) {
  /** @type {[string, string][]} */
  const runs = [];
  for (let index = 0; index * each < at.length; index++) {
    const color = colors[colors.length === 1 ? 0 : index];
    const d = path(at.slice(index * each, (index + 1) * each));
    const last = runs.at(-1);
    if (last?.[0] === color) last[1] += d;
    else runs.push([color, d]);
  }
  return runs;
}

/**
 * @param {Element} parent
 * @param {Stroke} stroke
 */
function paintText(parent, { at: [x, y], color = "", text = "", size = 0, length = 0, bold, rim }) {
  const shown = addShape(parent, "text", {
    x,
    y,
    fill: color,
    "font-size": size,
    "font-weight": bold ? 700 : 400,
    "font-family": "DejaVu Sans, Verdana, sans-serif",
    textLength: length,
    lengthAdjust: "spacingAndGlyphs",
    // The rim lies under the letters.
    ...(rim ? { stroke: rim[0], "stroke-width": rim[1], "paint-order": "stroke", "stroke-linejoin": "round" } : {}),
  });
  shown.textContent = text;
}
