// The line of the moment in Plotly's charts, elsewhere on the page. Of them only the plotting area and the range of the
// horizontal axis are used.

/** @typedef {HTMLElement & { layout?: { xaxis?: { range?: [number, number] } } }} Plot */

const AREA = ".nsewdrag";
const LINE = "posecore-moment";

/**
 * The charts in the container of a class.
 *
 * @param {string} container
 * @returns {Plot[]}
 */
export function plotsIn(container) {
  return [...document.querySelectorAll(/** @type {"div"} */ (`.${container} .js-plotly-plot`))];
}

/**
 * Draws the line through all rows of a plot.
 *
 * @param {Plot} plot
 * @param {number} moment
 */
export function markMoment(plot, moment) {
  const areas = [...plot.querySelectorAll(AREA)].map((area) => area.getBoundingClientRect());
  const range = plot.layout?.xaxis?.range;
  if (!areas.length || !range) return;
  const line = lineOf(plot);
  const frame = plot.getBoundingClientRect();
  const share = (moment - range[0]) / (range[1] - range[0]);
  const top = Math.min(...areas.map((area) => area.top));
  const bottom = Math.max(...areas.map((area) => area.bottom));
  line.style.display = share >= 0 && share <= 1 ? "block" : "none";
  line.style.left = `${areas[0].left - frame.left + share * areas[0].width - 1}px`;
  line.style.top = `${top - frame.top}px`;
  line.style.height = `${bottom - top}px`;
  line.dataset.moment = moment.toFixed(3);
}

/** @param {Plot} plot */
function lineOf(plot) {
  const known = plot.querySelector(`:scope > .${LINE}`);
  if (known instanceof HTMLElement) return known;
  const line = document.createElement("div");
  line.className = LINE;
  Object.assign(line.style, { position: "absolute", width: "2px", pointerEvents: "none", zIndex: 5 });
  // Seen on every ground and line.
  line.style.background = "var(--st-primary-color, #1EA297)";
  line.style.boxShadow = "0 0 0 1px rgb(255 255 255 / 55%)";
  plot.style.position = "relative";
  plot.append(line);
  return line;
}

/**
 * The moment that a horizontal place of the window means in the plot under it; null where there is none of `plots`.
 *
 * @param {Plot[]} plots
 * @param {EventTarget | null} target What is there.
 * @param {number} x
 */
export function momentAt(plots, target, x) {
  const area = target instanceof Element ? target.closest(AREA) : null;
  const plot = plots.find((one) => area !== null && one.contains(area));
  const range = plot?.layout?.xaxis?.range;
  const box = area?.getBoundingClientRect();
  if (!range || !box?.width) return null;
  return Number(range[0]) + ((x - box.left) / box.width) * (range[1] - range[0]);
}
