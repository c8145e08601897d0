// What several tests use.

import assert from "node:assert/strict";

/**
 * Random numbers from 0 to 1, the same for the same seed.
 *
 * @param {number} seed
 */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * @param {readonly number[]} actual
 * @param {readonly number[]} expected
 */
export function isNear(actual, expected) {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, index) => {
    assert.ok(Math.abs(value - expected[index]) < 1e-6, `${actual} is not ${expected}`);
  });
}
