// What the editor and Python say to each other: nothing is lost, whatever happens on the way.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newPerson, toEntry } from "../../posecore/ui/frontend/labels/people.js";
import { Protocol } from "../../posecore/ui/frontend/labels/protocol.js";
import { Sheet } from "../../posecore/ui/frontend/labels/sheet.js";
import { VISIBLE } from "../../posecore/ui/frontend/labels/states.js";
import { randomNumbers } from "./helpers.js";

/** @import { Content } from "../../posecore/ui/frontend/labels/sheet.js" */
/** @import { Message, News } from "../../posecore/ui/frontend/labels/protocol.js" */

/**
 * @param {number} x
 * @param {boolean} [proposed]
 */
function somebody(x, proposed = false) {
  const person = toEntry(newPerson(1));
  return { ...person, joints: [/** @type {[number, number, number]} */ ([x, 5, VISIBLE])], proposed };
}

/** @param {...number} places */
function content(...places) {
  return { people: places.map((x) => somebody(x)), done: places.length > 0 };
}

/** @param {Content} shown */
function places({ people }) {
  return people.map(({ joints }) => joints[0][0]);
}

/** As much of Python as the editor knows: it saves what is new and says so. */
class Desk {
  /** @type {Record<string, Content>} */
  files = {};
  /** @type {Message | null} */
  heard = null;
  /** @type {Map<string, number>} */
  saved = new Map();

  /** @param {Message} message */
  hear(message) {
    if (this.heard && message.attempt < this.heard.attempt) return;
    this.heard = message;
    for (const [picture, { revision, people, done }] of Object.entries(message.edits)) {
      if (revision <= (this.saved.get(picture) ?? 0)) continue;
      this.saved.set(picture, revision);
      this.files[picture] = structuredClone({ people, done });
    }
  }

  /**
   * @param {string} picture
   * @returns {News}
   */
  shows(picture) {
    const { tab = "", attempt = 0, edits = {} } = this.heard ?? {};
    const revisions = Object.fromEntries(Object.keys(edits).map((name) => [name, this.saved.get(name) ?? 0]));
    const { people, done } = structuredClone(this.files[picture] ?? content());
    return { about: "set", picture, people, done, seen: { tab, attempt, revisions } };
  }
}

/**
 * @param {Protocol} protocol
 * @param {string} picture
 * @param {number} x
 */
function change(protocol, picture, x) {
  const sheet = sheetOf(protocol, picture);
  const before = sheet.snapshot();
  sheet.people = [{ ...somebody(x), id: "a" }];
  sheet.commit(before, protocol.nextRevision());
}

/**
 * @param {Protocol} protocol
 * @param {string} picture
 */
function sheetOf(protocol, picture) {
  const sheet = protocol.sheets.get(picture);
  assert.ok(sheet);
  return sheet;
}

test("a change is pending until Python has saved it", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  assert.deepEqual(protocol.message([]).edits, {});
  change(protocol, "1", 7);
  assert.deepEqual(
    protocol.pending.map(([picture]) => picture),
    ["1"],
  );
  desk.hear(protocol.message([]));
  assert.ok(protocol.lost);
  assert.deepEqual(protocol.receive(desk.shows("1"), null), { other: false, saved: true });
  assert.deepEqual([protocol.pending, protocol.lost], [[], false]);
  assert.deepEqual(places(desk.files["1"]), [7]);
});

test("the next change begins with the last one that Python has, not with what it was told", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 7);
  const first = protocol.message([]);
  change(protocol, "1", 8);
  const second = protocol.message([]);
  assert.deepEqual([places(second.edits["1"].base), second.edits["1"].base_revision], [[], 0]);
  desk.hear(first);
  protocol.receive(desk.shows("1"), null);
  assert.deepEqual(places(protocol.message([]).edits["1"].base), [], "what was sent last is another change by now");
  desk.hear(second);
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 9);
  const { base, base_revision } = protocol.message([]).edits["1"];
  assert.deepEqual([places(base), base_revision], [[8], 2]);
});

test("messages that are lost, late or doubled lose no change, on any picture", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = randomNumbers(seed);
    const [protocol, desk] = [new Protocol("me"), new Desk()];
    /** @type {Record<string, number>} */
    const expected = {};
    /** @type {Message[]} */
    const late = [];
    for (const picture of ["1", "2", "3"]) protocol.receive(desk.shows(picture), null);
    for (let step = 1; step <= 40; step += 1) {
      const picture = String(1 + Math.floor(3 * random()));
      change(protocol, picture, step);
      expected[picture] = step;
      const message = structuredClone(protocol.message([]));
      if (random() < 0.3) late.push(message);
      else if (random() < 0.8) desk.hear(message);
      if (random() < 0.2) for (const old of late.splice(0)) desk.hear(old);
      if (random() < 0.4) protocol.receive(desk.shows(picture), null);
    }
    desk.hear(protocol.message([]));
    for (const picture of Object.keys(expected)) protocol.receive(desk.shows(picture), null);
    assert.deepEqual(protocol.pending, []);
    for (const [picture, step] of Object.entries(expected)) {
      assert.deepEqual(places(desk.files[picture]), [step]);
      assert.deepEqual(places(sheetOf(protocol, picture)), [step]);
    }
  }
});

test("what others do is shown, unless somebody is changing the same picture", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  desk.files["1"] = content(1);
  protocol.receive(desk.shows("1"), null);
  const sheet = sheetOf(protocol, "1");
  const { id } = sheet.people[0];
  desk.files["1"] = content(2, 3);
  protocol.receive(desk.shows("1"), sheet);
  assert.deepEqual(places(sheet), [1], "something is being dragged on it");
  protocol.receive(desk.shows("1"), null);
  assert.deepEqual(places(sheet), [2, 3]);
  assert.equal(sheet.people[0].id, id, "who was chosen stays chosen");
  assert.ok(sheet.undo(protocol.nextRevision()), "what was there can be brought back");
  assert.deepEqual(places(sheet), [1]);
  desk.files["1"] = content(4);
  protocol.receive(desk.shows("1"), null);
  assert.deepEqual(places(sheet), [1], "the change is on its way");
});

test("a server that began anew is told again, and what it shows is taken", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 7);
  desk.hear(protocol.message([]));
  protocol.receive(desk.shows("1"), null);
  const other = new Desk();
  other.files["1"] = content(7, 8);
  protocol.receive(other.shows("1"), null);
  assert.deepEqual(places(sheetOf(protocol, "1")), [7, 8]);
  change(protocol, "1", 9);
  other.hear(protocol.message([]));
  protocol.receive(other.shows("1"), null);
  assert.deepEqual([protocol.pending, places(other.files["1"])], [[], [9]]);
});

test("another tab's news acknowledge nothing", () => {
  const [mine, other, desk] = [new Protocol("me"), new Protocol("you"), new Desk()];
  for (const protocol of [mine, other]) protocol.receive(desk.shows("1"), null);
  change(mine, "1", 7);
  mine.message([]);
  change(other, "1", 8);
  desk.hear(other.message([]));
  mine.receive(desk.shows("1"), null);
  assert.equal(mine.pending.length, 1);
  assert.deepEqual(places(sheetOf(mine, "1")), [7]);
});

test("another set has nothing in common with the one before", () => {
  const protocol = new Protocol("me");
  const desk = new Desk();
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 7);
  protocol.wanted = { picture: "2", attempt: null };
  const { other } = protocol.receive({ ...desk.shows("1"), about: "another" }, null);
  assert.deepEqual([other, protocol.pending, protocol.wanted], [true, [], null]);
  assert.deepEqual(places(sheetOf(protocol, "1")), []);
});

test("where somebody wants to go is said until it is answered", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  desk.hear(protocol.message([]));
  const before = desk.shows("1");
  protocol.wanted = { picture: "2", attempt: null };
  assert.equal(protocol.message([]).go, "2");
  protocol.receive(before, null);
  const again = protocol.message([]);
  assert.equal(again.go, "2", "the answer was to an earlier message");
  desk.hear(again);
  protocol.receive(desk.shows("2"), null);
  assert.equal(protocol.message([]).go, null);
});

test("of thousands of pictures some are kept, never one with changes to save, and numbers never come twice", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 7);
  protocol.receive(desk.shows("2"), null);
  change(protocol, "2", 7);
  desk.hear(protocol.message([]));
  for (let picture = 2; picture <= 2000; picture += 1) protocol.receive(desk.shows(String(picture)), null);
  assert.ok(protocol.sheets.size <= 200);
  protocol.receive(desk.shows("1"), null);
  change(protocol, "1", 9);
  desk.hear(protocol.message([]));
  assert.deepEqual(places(desk.files["1"]), [9]);
});

test("the picture that was looked at last is kept, however long it is known", () => {
  const [protocol, desk] = [new Protocol("me"), new Desk()];
  protocol.receive(desk.shows("1"), null);
  for (let picture = 2; picture <= 500; picture += 1) {
    protocol.receive(desk.shows(String(picture)), null);
    protocol.receive(desk.shows("1"), null);
  }
  assert.ok(protocol.sheets.has("1"));
});

// --- steps back ---

test("undo and redo go back and forth, and a change ends what could be redone", () => {
  const sheet = new Sheet(content(1));
  let revision = 0;
  for (const x of [2, 3]) {
    const before = sheet.snapshot();
    sheet.people[0].joints[0] = [x, 5, VISIBLE];
    revision += 1;
    sheet.commit(before, revision);
  }
  assert.ok(sheet.undo(3) && sheet.undo(4) && !sheet.undo(5));
  assert.deepEqual([places(sheet), sheet.revision], [[1], 4]);
  assert.ok(sheet.redo(6));
  assert.deepEqual(places(sheet), [2]);
  sheet.commit(sheet.snapshot(), 7);
  assert.ok(!sheet.redo(8));
});

test("small steps are undone together", () => {
  const sheet = new Sheet(content(1));
  const before = sheet.snapshot();
  for (const [revision, x] of [
    [1, 2],
    [2, 3],
    [3, 4],
  ]) {
    sheet.people[0].joints[0] = [x, 5, VISIBLE];
    if (revision === 1) sheet.commit(before, revision);
    else sheet.amend(revision);
  }
  assert.ok(sheet.undo(4));
  assert.deepEqual(places(sheet), [1]);
});

test("a picture is done when nobody is left to confirm, or when somebody says that nobody is on it", () => {
  const sheet = new Sheet({ people: [somebody(1, true)], done: false });
  sheet.commit(sheet.snapshot(), 1);
  assert.equal(sheet.done, false);
  sheet.people[0].proposed = false;
  sheet.commit(sheet.snapshot(), 2);
  assert.equal(sheet.done, true);
  sheet.people = [];
  sheet.commit(sheet.snapshot(), 3);
  assert.equal(sheet.done, false);
  sheet.commit(sheet.snapshot(), 4, true);
  assert.equal(sheet.done, true);
});

test("what is dragged changes neither what it is compared with nor what is sent", () => {
  const sheet = new Sheet(content(1));
  sheet.commit(sheet.snapshot(), 1);
  const sent = sheet.send();
  sheet.people[0].joints[0][0] = 50;
  assert.deepEqual([places(sent), places(sent.base)], [[1], [1]]);
});
