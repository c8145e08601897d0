// What a camera sees: asking the server for it, again and again, for as long as somebody looks.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Live } from "../../posecore/ui/frontend/shared/live.js";

const NOBODY = { people: [], middle: [0, 0], words: "Nobody is seen." };

/** @type {{ address: string, signal: AbortSignal }[]} */
let asked;
/** @type {(() => Response)[]} */
let answers;

beforeEach(() => {
  asked = [];
  answers = [];
  Object.assign(globalThis, {
    document: { baseURI: "http://app/base/webcam" },
    requestAnimationFrame: (/** @type {() => void} */ done) => setTimeout(done, 0),
    fetch: async (/** @type {string} */ address, /** @type {{ signal: AbortSignal }} */ { signal }) => {
      asked.push({ address, signal });
      const answer = answers.shift();
      if (answer) return answer();
      return new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("aborted"))));
    },
  });
});

afterEach(() => {
  for (const { signal } of asked) assert.ok(signal);
});

const soon = () => new Promise((done) => setTimeout(done, 30));

test("each answer is taken and followed by the next question, at the address relative to the page", async () => {
  /** @type {unknown[]} */
  const taken = [];
  const live = new Live(
    (told) => taken.push(told),
    () => assert.fail(),
  );
  answers.push(
    () => Response.json(NOBODY),
    () => Response.json({ ...NOBODY, words: "" }),
  );
  live.ask("figures/token.json");
  live.ask("figures/token.json");
  await soon();
  assert.deepEqual(taken, [NOBODY, { ...NOBODY, words: "" }]);
  assert.equal(asked.length, 3);
  assert.equal(asked[0].address, "http://app/base/figures/token.json");
  live.ask("");
  assert.ok(asked[2].signal.aborted);
  await soon();
  assert.equal(asked.length, 3);
});

test("without people it waits, and a camera that is gone is not asked again", async () => {
  /** @type {{ words: string }[]} */
  const ended = [];
  const live = new Live(
    () => assert.fail(),
    (gone) => ended.push(gone),
  );
  answers.push(() => new Response(null, { status: 204 }));
  live.ask("a.json");
  await soon();
  assert.equal(asked.length, 1);
  answers.push(() => new Response("It is gone.", { status: 404 }));
  live.ask("b.json");
  await soon();
  assert.equal(ended[0].words, "It is gone.");
  assert.equal(asked.length, 2);
  live.ask("");
});
