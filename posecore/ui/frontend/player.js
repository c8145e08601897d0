// A player whose plots go along: a line in each shows the moment, and a click in one moves the player there.
// data: url and save (addresses of the clip), ratio (width / height), room (CSS length), label,
//       times (base64 of little-endian float32: seconds of each frame in the clip), start (second of the video at which
//       the clip begins; the plots' time is the video's), plots (class of the element that holds the plots)
// The plots are Plotly's, elsewhere on the page; of them only the plotting area and the range of the axis are used.

const players = new WeakMap();
const CLICK = 4; // CSS pixels that a click may move.
const EARLY = 0.004; // Seconds by which browsers' clocks are off.

export default function (component) {
  const { data, parentElement } = component;
  let player = players.get(parentElement);
  if (!player) {
    player = build(parentElement);
    players.set(parentElement, player);
  }
  show(player, data);
  const timer = setInterval(() => follow(player), 250);
  const down = (event) => press(player, event);
  const up = (event) => release(player, event);
  document.addEventListener("pointerdown", down, true);
  document.addEventListener("pointerup", up, true);
  return () => {
    clearInterval(timer);
    document.removeEventListener("pointerdown", down, true);
    document.removeEventListener("pointerup", up, true);
  };
}

function build(root) {
  const find = (selector) => root.querySelector(selector);
  const player = { root: find(".posecore-player"), video: find("video"), where: find(".where"), save: find(".save") };
  player.trouble = find(".trouble");
  player.speed = find(".speed");
  const { video } = player;
  const running = () => {
    follow(player);
    if (!video.paused) requestAnimationFrame(running);
  };
  video.addEventListener("play", running);
  for (const event of ["seeking", "seeked", "loadeddata", "pause", "timeupdate"]) {
    video.addEventListener(event, () => follow(player));
  }
  video.addEventListener("error", () => complain(player));
  video.addEventListener("ratechange", () => choose(player.speed, video.playbackRate));
  player.speed.onchange = () => (video.playbackRate = Number(player.speed.value));
  find(".back").onclick = () => step(player, -1);
  find(".on").onclick = () => step(player, 1);
  player.root.onkeydown = (event) => {
    const by = { ",": -1, ".": 1 }[event.key];
    if (by) step(player, by);
  };
  return player;
}

function show(player, data) {
  player.data = data;
  player.root.style.setProperty("--ratio", data.ratio);
  player.root.style.setProperty("--room", data.room);
  player.video.setAttribute("aria-label", data.label);
  player.save.href = data.save;
  if (player.times !== data.times) {
    player.times = data.times;
    const bytes = Uint8Array.from(atob(data.times), (letter) => letter.charCodeAt(0));
    player.seconds = new Float32Array(bytes.buffer);
  }
  if (player.url !== data.url) {
    // Another drawing of the same video goes on where the one before was.
    const at = player.url ? player.video.currentTime : 0;
    player.url = data.url;
    player.trouble.hidden = true;
    player.video.src = data.url;
    player.video.defaultPlaybackRate = Number(player.speed.value);
    if (at) player.video.addEventListener("loadedmetadata", () => (player.video.currentTime = at), { once: true });
  }
  follow(player);
}

function complain(player) {
  player.trouble.hidden = false;
  player.trouble.textContent = "The clip cannot be played: it may not be on the server any more. Run the video again.";
}

function choose(select, value) {
  const option = [...select.options].find((one) => Number(one.value) === value);
  if (option) option.selected = true;
}

// The last frame that begins at or before a moment.
function frameAt(seconds, moment) {
  let low = 0;
  let high = seconds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (seconds[middle] <= moment + EARLY) low = middle;
    else high = middle - 1;
  }
  return low;
}

function nearest(seconds, moment) {
  const before = frameAt(seconds, moment);
  const after = Math.min(before + 1, seconds.length - 1);
  return seconds[after] - moment < moment - seconds[before] ? after : before;
}

function toFrame(player, frame) {
  const { seconds, video } = player;
  const last = seconds.length - 1;
  const to = Math.min(Math.max(frame, 0), last);
  // A little after the frame's beginning: exactly on it, rounding may show the one before.
  const length = to < last ? seconds[to + 1] - seconds[to] : 0.02;
  video.currentTime = seconds[to] + Math.min(length / 2, 0.01);
}

function step(player, by) {
  player.video.pause();
  toFrame(player, frameAt(player.seconds, player.video.currentTime) + by);
}

function follow(player) {
  const { seconds, video, data } = player;
  if (!seconds.length) return;
  const frame = frameAt(seconds, video.currentTime);
  const moment = seconds[frame] + data.start;
  player.where.textContent = `Frame ${frame + 1} of ${seconds.length} · ${moment.toFixed(2)} s`;
  player.root.dataset.frame = frame;
  for (const plot of plots(player)) mark(plot, moment);
}

function plots(player) {
  return document.querySelectorAll(`.${player.data.plots} .js-plotly-plot`);
}

function range(plot) {
  return plot.layout && plot.layout.xaxis && plot.layout.xaxis.range;
}

// The line through all rows of a plot.
function mark(plot, moment) {
  const areas = [...plot.querySelectorAll(".nsewdrag")].map((area) => area.getBoundingClientRect());
  const span = range(plot);
  if (!areas.length || !span) return;
  let line = plot.querySelector(":scope > .posecore-moment");
  if (!line) {
    line = document.createElement("div");
    line.className = "posecore-moment";
    Object.assign(line.style, { position: "absolute", width: "2px", pointerEvents: "none", zIndex: 5 });
    // Seen on every ground and line.
    line.style.background = "var(--st-primary-color, #1A948A)";
    line.style.boxShadow = "0 0 0 1px rgb(255 255 255 / 55%)";
    plot.style.position = "relative";
    plot.append(line);
  }
  const frame = plot.getBoundingClientRect();
  const share = (moment - span[0]) / (span[1] - span[0]);
  const top = Math.min(...areas.map((area) => area.top));
  const bottom = Math.max(...areas.map((area) => area.bottom));
  line.style.display = share >= 0 && share <= 1 ? "block" : "none";
  line.style.left = `${areas[0].left - frame.left + share * areas[0].width - 1}px`;
  line.style.top = `${top - frame.top}px`;
  line.style.height = `${bottom - top}px`;
  line.dataset.moment = moment.toFixed(3);
}

function press(player, event) {
  const area = event.target.closest && event.target.closest(".nsewdrag");
  const plot = area && area.closest(".js-plotly-plot");
  const ours = plot && [...plots(player)].includes(plot);
  player.pressed = ours && event.button === 0 ? { x: event.clientX, y: event.clientY, area, plot } : null;
}

function release(player, event) {
  const pressed = player.pressed;
  player.pressed = null;
  if (!pressed || Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > CLICK) return;
  const span = range(pressed.plot);
  const box = pressed.area.getBoundingClientRect();
  if (!span || !box.width) return;
  const moment = Number(span[0]) + ((pressed.x - box.left) / box.width) * (span[1] - span[0]);
  toFrame(player, nearest(player.seconds, moment - player.data.start));
}
