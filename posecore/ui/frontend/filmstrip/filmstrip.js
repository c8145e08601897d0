// Thumbnails to choose from. Trigger: pick = the key of the thumbnail that was chosen.

import { element, find } from "../shared/elements.js";
import { contentOf, scrollTo } from "./strip.js";

/** @import { Component } from "../shared/streamlit.js" */
/** @import { Data, Item } from "./strip.js" */

/** What each strip's thumbnails were made from. @type {WeakMap<HTMLElement, string>} */
const contents = new WeakMap();

/** @param {Component<Data>} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = find(parentElement, ".posecore-strip", HTMLElement);
  strip.setAttribute("aria-label", data.title);
  strip.classList.toggle("sheet", data.captions !== null);
  const content = contentOf(data.items);
  if (contents.get(strip) !== content) {
    contents.set(strip, content);
    strip.replaceChildren(...data.items.map(thumbnail));
  }
  data.items.forEach((item, index) => {
    const button = /** @type {HTMLButtonElement} */ (strip.children[index]);
    button.title = item.label;
    button.setAttribute("aria-label", item.label);
    button.setAttribute("aria-pressed", String(item.key === data.chosen));
    button.dataset.mark = data.marks[item.key] ?? "";
    button.dataset.caption = data.captions?.[item.key] ?? "";
    button.onclick = () => setTriggerValue("pick", item.key);
    if (item.key === data.chosen) strip.scrollLeft = scrollTo(strip, button);
  });
}

/** @param {Item} item */
function thumbnail(item) {
  const button = element("button");
  button.type = "button";
  button.dataset.key = item.key;
  if (item.image) {
    const image = element("img");
    image.src = item.image;
    image.alt = "";
    button.append(image);
  } else {
    const text = element("span", `⚠ ${item.label}`);
    text.className = "broken";
    button.append(text);
  }
  return button;
}
