// Numbers that Python packs.

/**
 * Little-endian float32 numbers out of base64.
 *
 * @param {string} text
 */
export function unpackFloats(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}
