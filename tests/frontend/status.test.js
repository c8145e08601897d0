// What the button under the picture says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { finishInWords } from "../../posecore/ui/frontend/labels/status.js";

test("the button says what it does to this picture, and whether another one comes", () => {
  assert.equal(finishInWords(false, 0, false, true), "No people – next");
  assert.equal(finishInWords(false, 0, false, false), "No people");
  assert.equal(finishInWords(false, 2, true, true), "Confirm all – next");
  assert.equal(finishInWords(false, 2, false, false), "Done");
  assert.equal(finishInWords(true, 2, false, true), "Next unlabelled");
});
