// What a label says of a joint, and the keys that are shown when somebody asks.

export const UNLABELLED = 0;
export const HIDDEN = 1;
export const VISIBLE = 2;
export const ABSENT = 3;

/** What buttons and lists show of each label. */
export const STATES = [
  { label: VISIBLE, word: "Visible", key: "V", look: "visible", help: "It can be seen" },
  { label: HIDDEN, word: "Hidden", key: "H", look: "hidden", help: "It is in the picture, but something covers it" },
  {
    label: ABSENT,
    word: "Absent",
    key: "A",
    look: "absent",
    help: "It is not in the picture: training learns that nothing is there",
  },
  {
    label: UNLABELLED,
    word: "Not labelled",
    key: "U",
    look: "unlabelled",
    help: "Nobody says where it is: training passes over it",
  },
];

/** @param {number} label */
export function stateOf(label) {
  return STATES.find((state) => state.label === label) ?? STATES[3];
}

/** @param {string} name Of a joint. */
export function inWords(name) {
  return name.replaceAll("_", " ");
}

/** Keys and what they do. */
export const KEYS = [
  ["Drag a joint", "move it (arrow keys: one pixel, with Shift ten)"],
  ["Drag a line", "move the whole person (also Shift and drag a joint)"],
  ["V  H  A  U", "chosen joint is visible, hidden, absent, not labelled"],
  ["Double click", "a joint: visible or hidden"],
  ["[  ]", "joint before, next joint"],
  ["Q", "next person"],
  ["P  J", "add a person: in a box, joint by joint"],
  ["C", "copy the people of the picture before"],
  ["Shift Delete", "delete the person"],
  ["Ctrl Z  Ctrl Y", "undo, redo"],
  ["Wheel  +  −  0", "zoom in, zoom out, see all"],
  ["B  N", "previous picture, next picture"],
  ["Enter", "confirm and go on"],
  ["Esc", "stop what was begun"],
];
