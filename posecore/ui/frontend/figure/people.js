// People in the room as Python packs them, and where their bones are in a frame.

/**
 * @typedef {object} Packed
 * @property {string} color CSS colour.
 * @property {number} first Frame in which they come first.
 * @property {string} places Packed lengths, frames × joints × 3; the lowest number means that nothing is known.
 * @property {string} way Packed lengths, frames × 2: x and z of the middle of the hips, calmed.
 */

/** @typedef {{ color: string, first: number, places: Int16Array, way: Int16Array, frames: number, unit: number }} Person */

const UNKNOWN = -32768;

/**
 * Little-endian int16 numbers out of base64.
 *
 * @param {string} text
 */
export function unpackShorts(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

/**
 * @param {Packed} packed
 * @param {number} joints How many a person has.
 * @param {number} unit Metres that a packed length of 1 is.
 * @returns {Person}
 */
export function unpackPerson({ color, first, places, way }, joints, unit) {
  const numbers = unpackShorts(places);
  return { color, first, places: numbers, way: unpackShorts(way), frames: numbers.length / (3 * joints), unit };
}

/**
 * Where a person's joints are in a frame, in metres; null for an unknown joint, no joints at all outside their frames.
 *
 * @param {Person} person
 * @param {number} frame
 * @param {number} joints
 * @returns {([number, number, number] | null)[]}
 */
export function jointsAt({ first, places, frames, unit }, frame, joints) {
  const own = frame - first;
  if (own < 0 || own >= frames) return [];
  return Array.from({ length: joints }, (_, joint) => {
    const start = 3 * (own * joints + joint);
    if (places[start] === UNKNOWN) return null;
    return [places[start] * unit, places[start + 1] * unit, places[start + 2] * unit];
  });
}

/**
 * The way of a person over the floor up to a frame, the newest place first.
 *
 * @param {Person} person
 * @param {number} frame
 * @param {number} frames How many of it.
 * @param {number} step Frames from place to place.
 * @returns {[number, number, number][]}
 */
export function wayTo({ first, way, frames: known, unit }, frame, frames, step) {
  /** @type {[number, number, number][]} */
  const places = [];
  const newest = Math.min(frame - first, known - 1);
  for (let own = newest; own >= Math.max(0, newest - frames); own -= step) {
    if (way[2 * own] === UNKNOWN) break;
    places.push([way[2 * own] * unit, 0, way[2 * own + 1] * unit]);
  }
  return places;
}
