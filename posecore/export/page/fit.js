// From a picture of any shape to the network's input, and back.

const canvas = document.createElement("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });

/** The picture in the middle of width × height, its shape kept: float32 RGB 0 … 255, and the way back to its pixels. */
export function fit(picture, pictureWidth, pictureHeight, width, height, padding) {
  const scale = Math.min(width / pictureWidth, height / pictureHeight);
  const [left, top] = [(width - pictureWidth * scale) / 2, (height - pictureHeight * scale) / 2];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.fillStyle = `rgb(${padding} ${padding} ${padding})`;
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "medium";
  context.drawImage(picture, left, top, pictureWidth * scale, pictureHeight * scale);
  const { data } = context.getImageData(0, 0, width, height);
  const pixels = new Float32Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return { pixels, toPicture: (x, y) => ({ x: (x - left) / scale, y: (y - top) / scale }) };
}
