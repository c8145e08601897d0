// Values under the pointer, and the steps of a path.

import assert from "node:assert/strict";
import { test } from "node:test";
import { stepsWithWords } from "../../posecore/ui/frontend/fields/marks.js";
import { unpackValues, valueAt, valueInWords } from "../../posecore/ui/frontend/fields/reading.js";
import { unpackFloats } from "../../posecore/ui/frontend/shared/numbers.js";
import { randomNumbers } from "./helpers.js";

/** @import { Values } from "../../posecore/ui/frontend/fields/reading.js" */

/**
 * A grid whose cells are 10 pixels apart, the first at (5, 5).
 *
 * @param {number} columns
 * @param {number} rows
 * @param {number[]} cells
 * @returns {Values}
 */
function grid(columns, rows, cells) {
  return {
    columns,
    rows,
    parts: cells.length / columns / rows,
    start: [5, 5],
    step: [10, 10],
    inside: [0, 0, 10 * columns, 10 * rows],
    label: "strongest",
    units: "",
    cells,
  };
}

/** @param {number[]} numbers */
function pack(numbers) {
  return Buffer.from(Float32Array.from(numbers).buffer).toString("base64");
}

test("numbers come out as Python packed them", () => {
  assert.deepEqual([...unpackFloats(pack([0, -1.5, 1e9]))], [0, -1.5, 1e9]);
  assert.equal(unpackValues({ ...grid(2, 1, [0, 0]), cells: pack([3, 4]) }).cells[1], 4);
});

test("a slope is read exactly at every place between centres", () => {
  const random = randomNumbers(4);
  const [columns, rows] = [6, 4];
  const slope = Array.from(
    { length: columns * rows },
    (_, cell) => 3 * (cell % columns) - 2 * Math.floor(cell / columns),
  );
  for (let round = 0; round < 200; round += 1) {
    const [x, y] = [5 + 50 * random(), 5 + 30 * random()];
    const expected = (3 * (x - 5) - 2 * (y - 5)) / 10;
    assert.ok(Math.abs(valueAt(grid(columns, rows, slope), 0, x, y) - expected) < 1e-9);
  }
});

test("beyond the last centres the value is that of the nearest cell, for grids of one row or column too", () => {
  const square = grid(2, 2, [1, 2, 3, 4]);
  assert.deepEqual([valueAt(square, 0, 0, 0), valueAt(square, 0, 20, 20)], [1, 4]);
  assert.equal(valueAt(grid(1, 1, [7]), 0, 2, 9), 7);
  assert.equal(valueAt(grid(3, 1, [1, 2, 3]), 0, 25, 0), 3);
  assert.equal(valueAt(grid(1, 3, [1, 2, 3]), 0, 0, 10), 1.5);
});

test("values are said in words", () => {
  assert.equal(valueInWords(grid(2, 1, [0.25, 0.75]), [10, 5]), "strongest 0.500");
  assert.equal(
    valueInWords({ ...grid(1, 1, [3, -4]), units: " px" }, [5, 5]),
    "strongest (3.00, -4.00) px, length 5.00",
  );
  assert.equal(valueInWords(grid(2, 1, [0, 0]), [20, 5]), "not seen by the network");
});

test("a step that ends nearly where the one before did has no words of its own", () => {
  assert.deepEqual(
    stepsWithWords([
      [0, 0],
      [5, 5],
      [30, 0],
      [31, 0],
      [30, 30],
    ]),
    [0, 2, 4],
  );
  assert.deepEqual(stepsWithWords([]), []);
});
