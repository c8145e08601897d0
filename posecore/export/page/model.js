// The exported network: a picture in, people in the picture's own pixels out.

import { RUNTIME } from "./runtime.js";
import { fit } from "./fit.js";

/** A person: score, and per keypoint {x, y, score} in pixels of the picture. */

export async function loadModel() {
  const about = await (await fetch("model.json")).json();
  const runtime = await import(new URL(`${RUNTIME}ort.wasm.bundle.min.mjs`, import.meta.url));
  runtime.env.wasm.wasmPaths = { wasm: new URL(`${RUNTIME}ort-wasm-simd-threaded.wasm`, import.meta.url).href };
  // Threads need a page that is isolated from others; most static hosts do not say so.
  if (!globalThis.crossOriginIsolated) runtime.env.wasm.numThreads = 1;
  const session = await runtime.InferenceSession.create(about.file.name, { executionProviders: ["wasm"] });
  const [, height, width] = about.input.shape;
  const read = about.decoding ? readPoses : readMaps;
  const decoded = about.outputs[0];

  async function find(picture, pictureWidth, pictureHeight) {
    const { pixels, toPicture } = fit(picture, pictureWidth, pictureHeight, width, height, about.input.padding);
    const tensor = new runtime.Tensor("float32", pixels, [1, height, width, 3]);
    const outputs = await session.run({ [about.input.name]: tensor });
    const place = ([y, x, score]) => ({ ...toPicture(x * width, y * height), score });
    return read(outputs, about, decoded).map((person) => ({ ...person, joints: person.joints.map(place) }));
  }

  return { about, find };
}

/** People of a graph that decodes: joints as [y, x, score] in parts of the input. */
function readPoses(outputs, about, { name, shape }) {
  const values = outputs[name].data;
  const count = about.keypoints.length;
  const several = shape.length === 3;
  const step = several ? shape[2] : values.length;
  return Array.from({ length: values.length / step }, (_, index) => {
    const row = values.subarray(index * step, (index + 1) * step);
    const joints = about.keypoints.map((_, joint) => row.subarray(3 * joint, 3 * joint + 3));
    const mean = joints.reduce((sum, [, , score]) => sum + score, 0) / count;
    return { score: several ? row[step - 1] : mean, joints };
  });
}

/** One person from maps: the best cell of every heatmap. */
function readMaps(outputs, about) {
  const { shape, stride, origin } = about.outputs.find(({ name }) => name === "heatmaps");
  const [, rows, columns, channels] = shape;
  const [, height, width] = about.input.shape;
  const values = outputs.heatmaps.data;
  const joints = about.keypoints.map((_, joint) => {
    let best = joint;
    for (let place = joint; place < rows * columns * channels; place += channels) {
      if (values[place] > values[best]) best = place;
    }
    const cell = (best - joint) / channels;
    const along = (index, side) => (index * stride + origin + 0.5) / side;
    return [along(Math.floor(cell / columns), height), along(cell % columns, width), values[best]];
  });
  return [{ score: joints.reduce((sum, [, , score]) => sum + score, 0) / joints.length, joints }];
}
