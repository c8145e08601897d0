// A camera whose pictures come in its own resolution, however small it is shown.
// data: nothing. Trigger: photo = a data URL of a JPEG.

const cameras = new WeakMap();
const WANTED = { width: { ideal: 1920 }, height: { ideal: 1080 } };
const QUALITY = 0.95;
const REFUSALS = {
  NotAllowedError: "The browser refuses the camera: allow it at the left end of the address bar, then try again.",
  NotFoundError: "No camera was found: connect one, then try again.",
  NotReadableError: "The camera is in use: close the program that uses it, then try again.",
};

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  let camera = cameras.get(parentElement);
  if (!camera) {
    camera = build(parentElement);
    cameras.set(parentElement, camera);
  }
  camera.send = setTriggerValue;
  camera.gone = false;
  return () => {
    camera.gone = true;
    stop(camera);
  };
}

function build(root) {
  const find = (selector) => root.querySelector(selector);
  const camera = { video: find("video"), words: find("p"), start: find(".start"), take: find(".take"), stream: null };
  camera.start.onclick = () => start(camera);
  camera.take.onclick = () => take(camera);
  return camera;
}

async function start(camera) {
  if (!navigator.mediaDevices) {
    say(camera, "Your browser gives no camera to this page: it does so only over https or on localhost.");
    return;
  }
  say(camera, "Your browser asks whether this page may use the camera; please allow it.");
  try {
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
  } catch (error) {
    say(camera, REFUSALS[error.name] ?? `The camera does not start: ${error.message}`);
    return;
  }
  if (camera.gone) {
    stop(camera);
    return;
  }
  camera.video.srcObject = camera.stream;
  camera.video.onloadedmetadata = () => {
    say(camera, `${camera.video.videoWidth} × ${camera.video.videoHeight}`);
    camera.take.hidden = false;
  };
  camera.video.hidden = false;
  camera.start.hidden = true;
}

function stop(camera) {
  camera.stream?.getTracks().forEach((track) => track.stop());
  camera.stream = null;
  camera.video.srcObject = null;
  camera.video.hidden = camera.take.hidden = true;
  camera.start.hidden = false;
  say(camera, "The camera is off.");
}

function take(camera) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [camera.video.videoWidth, camera.video.videoHeight];
  canvas.getContext("2d").drawImage(camera.video, 0, 0);
  camera.send("photo", canvas.toDataURL("image/jpeg", QUALITY));
}

function say(camera, words) {
  camera.words.textContent = words;
}
