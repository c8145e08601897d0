// The page: where pictures come from, what the sliders say, and what is shown.

import { drawPeople } from "./draw.js";
import { loadModel } from "./model.js";

const byId = (id) => document.getElementById(id);
const [status, camera, pictures, canvas] = ["status", "camera", "pictures", "picture"].map(byId);
const context = canvas.getContext("2d");
const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });

let model;
/** What is shown now: {source, width, height, people, mirrored}. */
let shown = null;
let stream = null;

const options = () => ({
  person: Number(byId("person").value),
  joint: Number(byId("joint").value),
  names: byId("names").checked,
});

function show() {
  for (const id of ["person", "joint"]) byId(`${id}-value`).value = Number(byId(id).value).toFixed(2);
  if (shown === null) return 0;
  const { source, width, height, people, mirrored } = shown;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.save();
  if (mirrored) {
    context.translate(width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(source, 0, 0, width, height);
  context.restore();
  const turned = (joint) => ({ ...joint, x: width - joint.x });
  const drawn = mirrored ? people.map((one) => ({ ...one, joints: one.joints.map(turned) })) : people;
  return drawPeople(context, drawn, model.about, options());
}

async function look(source, width, height, mirrored) {
  const start = performance.now();
  const people = await model.find(source, width, height);
  const spent = performance.now() - start;
  shown = { source, width, height, people, mirrored };
  return { count: show(), spent };
}

const counted = (count) => (count === 1 ? "1 person" : `${count} people`);

async function follow() {
  let [since, frames] = [performance.now(), 0];
  while (stream !== null) {
    // The picture that is looked at is the one that is shown, however long looking takes.
    const frame = await createImageBitmap(video);
    const before = shown;
    const { count, spent } = await look(frame, frame.width, frame.height, byId("mirror").checked);
    before?.source.close();
    frames += 1;
    const passed = performance.now() - since;
    if (passed > 1000) {
      const rate = (1000 * frames) / passed;
      status.textContent = `${counted(count)} · ${rate.toFixed(1)} pictures a second · network ${spent.toFixed(0)} ms`;
      [since, frames] = [performance.now(), 0];
    }
    await new Promise(requestAnimationFrame);
  }
}

function stop() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  camera.textContent = "Start the camera";
}

async function start() {
  stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 } } });
  video.srcObject = stream;
  await video.play();
  camera.textContent = "Stop the camera";
  await follow();
}

/** Run something that may fail, and say why in words. */
async function attempt(action, otherwise) {
  try {
    await action();
  } catch (error) {
    stop();
    status.textContent = `${otherwise} (${error.message})`;
  }
}

camera.onclick = () => {
  if (stream !== null) return stop();
  return attempt(start, "The camera cannot be used; allow it in the browser, and close what else uses it.");
};

pictures.onchange = () =>
  attempt(async () => {
    stop();
    const picture = await createImageBitmap(pictures.files[0]);
    const { count, spent } = await look(picture, picture.width, picture.height, false);
    status.textContent = `${counted(count)} · network ${spent.toFixed(0)} ms`;
  }, "This picture cannot be opened; choose a JPEG or PNG.");

for (const id of ["person", "joint", "names"]) byId(id).oninput = show;

await attempt(async () => {
  model = await loadModel();
  const { about } = model;
  document.title = `Poses by ${about.model}`;
  byId("person").value = about.decoding?.pose_threshold ?? 0.1;
  byId("joint").value = about.decoding?.keypoint_threshold ?? 0.1;
  byId("about").textContent = `Model ${about.model}${about.licence ? `, ${about.licence}` : ""}. Made with posecore.`;
  camera.disabled = pictures.disabled = false;
  show();
  status.textContent = "Start the camera, or open a picture.";
}, "The model cannot be loaded; open this page from a web server, not as a file.");
