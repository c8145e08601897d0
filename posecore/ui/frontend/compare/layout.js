// How many pictures stand in a row, and how wide each is, so that all are as large as can be seen at once.

/** @typedef {{ across: number, width: number }} Layout */

export const GAP = 8; // CSS pixels between pictures.
const CAPTION = 22; // CSS pixels of the line above each.
const NARROW = 560; // CSS pixels below which pictures stand below each other: the page scrolls.
const SMALLEST = 120; // CSS pixels that a picture is wide at least.

/**
 * @param {number} count Pictures.
 * @param {number} ratio Width by height of each.
 * @param {number} width CSS pixels that there are.
 * @param {number} height
 * @returns {Layout}
 */
export function layOut(count, ratio, width, height) {
  if (width < NARROW) return { across: 1, width: Math.floor(Math.min(width, Math.max(height, SMALLEST) * ratio)) };
  let best = { across: 1, width: 0 };
  for (let across = count; across >= 1; across--) {
    const rows = Math.ceil(count / across);
    const wide = (width - GAP * (across - 1)) / across;
    const high = (height - GAP * (rows - 1)) / rows - CAPTION;
    const fitting = Math.floor(Math.min(wide, high * ratio));
    if (fitting > best.width) best = { across, width: fitting };
  }
  return { ...best, width: Math.max(best.width, Math.min(SMALLEST, width)) };
}
