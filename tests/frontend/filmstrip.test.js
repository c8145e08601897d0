// The strip of thumbnails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { contentOf, scrollTo } from "../../posecore/ui/frontend/filmstrip/strip.js";

const ITEMS = [
  { key: "1", label: "first.jpg", image: "data:a" },
  { key: "2", label: "second.jpg", image: null },
];

test("thumbnails stay as long as their pictures do, whatever they are called", () => {
  const renamed = ITEMS.map((item) => ({ ...item, label: `${item.label}, done` }));
  assert.equal(contentOf(renamed), contentOf(ITEMS));
});

test("pictures of another set, in another order or with one more are other thumbnails", () => {
  const others = [
    ITEMS.map((item) => ({ ...item, image: "data:b" })),
    [...ITEMS].reverse(),
    [...ITEMS, { key: "3", label: "third.jpg", image: "data:c" }],
    ITEMS.map((item) => ({ ...item, image: item.image ?? "data:a" })),
  ];
  const all = [ITEMS, ...others].map(contentOf);
  assert.equal(new Set(all).size, all.length);
});

test("the chosen thumbnail is brought to the middle of a strip that is too long", () => {
  const strip = { scrollWidth: 1000, clientWidth: 200, scrollLeft: 40 };
  assert.equal(scrollTo(strip, { offsetLeft: 500, clientWidth: 60 }), 430);
  assert.equal(scrollTo({ ...strip, scrollWidth: 200 }, { offsetLeft: 150, clientWidth: 60 }), 40);
});
