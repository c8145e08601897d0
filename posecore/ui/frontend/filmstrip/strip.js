// What a strip of thumbnails holds, and where it is scrolled to.

/** A picture to choose; `image` is a data URL, or null for one that cannot be shown. */
/** @typedef {{ key: string, label: string, image: string | null }} Item */

/**
 * @typedef {object} Data
 * @property {Item[]} items
 * @property {string} chosen Key.
 * @property {string} title What they are, for those who do not see them.
 * @property {Record<string, "done" | "unconfirmed" | "unlabelled">} marks By key: a sign in the corner.
 * @property {Record<string, string> | null} captions By key: words below; with them it is a sheet of several rows.
 */

/**
 * What thumbnails are made from; as long as it is the same, they stay. Keys may be the same for other pictures: sets
 * number theirs alike.
 *
 * @param {Item[]} items
 */
export function contentOf(items) {
  return items.map(({ key, image }) => `${key} ${image}`).join("\n");
}

/**
 * How far a strip is scrolled to have a thumbnail in its middle; where it is, when there is no need to.
 *
 * @param {{ scrollWidth: number, clientWidth: number, scrollLeft: number }} strip
 * @param {{ offsetLeft: number, clientWidth: number }} thumbnail
 */
export function scrollTo(strip, thumbnail) {
  if (strip.scrollWidth <= strip.clientWidth) return strip.scrollLeft;
  return thumbnail.offsetLeft - strip.clientWidth / 2 + thumbnail.clientWidth / 2;
}
