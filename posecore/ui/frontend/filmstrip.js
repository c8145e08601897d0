// Thumbnails to choose from. data: items ([{key, label, image (data URL) or null}, …]), chosen (key), title, and
// marks ({key: "done" | "unconfirmed" | "unlabelled"}).
// Trigger: pick = the key of the thumbnail that was chosen.

const shown = new WeakMap(); // Strip → what its thumbnails were made from.

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const strip = parentElement.querySelector(".posecore-strip");
  strip.setAttribute("aria-label", data.title);
  // Keys may be the same for other pictures: sets number theirs alike.
  const wanted = data.items.map(({ key, image }) => `${key} ${image}`).join("\n");
  if (shown.get(strip) !== wanted) {
    shown.set(strip, wanted);
    strip.replaceChildren(...data.items.map(thumbnail));
  }
  data.items.forEach(({ key, label }, index) => {
    const button = strip.children[index];
    button.title = label;
    button.setAttribute("aria-label", label);
    button.dataset.mark = data.marks?.[key] ?? "";
  });
  for (const button of strip.children) {
    const chosen = button.dataset.key === data.chosen;
    button.setAttribute("aria-pressed", String(chosen));
    button.onclick = () => setTriggerValue("pick", button.dataset.key);
    if (chosen && strip.scrollWidth > strip.clientWidth) {
      strip.scrollLeft = button.offsetLeft - strip.clientWidth / 2 + button.clientWidth / 2;
    }
  }
}

function thumbnail(item) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.key = item.key;
  if (item.image) {
    const image = document.createElement("img");
    image.src = item.image;
    image.alt = "";
    button.append(image);
  } else {
    const text = document.createElement("span");
    text.className = "broken";
    text.textContent = "⚠ " + item.label;
    button.append(text);
  }
  return button;
}
