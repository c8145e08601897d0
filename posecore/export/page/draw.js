// People drawn on a canvas: every coloured shape lies on a slightly larger dark one, so that it shows on any ground.

const COLORS = ["#00bfff", "#ff7019", "#00ff9f", "#ff1970", "#8c19ff", "#cad962", "#ffa6d2", "#7384ff", "#80ff00"];
const OUTLINE = "#101418";

/** Draw people; joints below `least` are left out. Returns how many people were drawn. */
export function drawPeople(context, people, about, { person: leastPerson, joint: least, names }) {
  const unit = Math.max(2, Math.max(context.canvas.width, context.canvas.height) / 250);
  const shown = people.filter(({ score }) => score >= leastPerson);
  shown.forEach(({ joints }, index) => {
    const color = COLORS[index % COLORS.length];
    const seen = joints.map(({ score }) => score >= least);
    const limbs = about.edges.filter(([a, b]) => seen[a] && seen[b]);
    for (const [style, width] of [[OUTLINE, 2.2 * unit], [color, 1.2 * unit]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.lineCap = "round";
      context.beginPath();
      for (const [a, b] of limbs) {
        context.moveTo(joints[a].x, joints[a].y);
        context.lineTo(joints[b].x, joints[b].y);
      }
      context.stroke();
    }
    for (const [style, radius] of [[OUTLINE, 1.8 * unit], [color, 1.3 * unit]]) {
      context.fillStyle = style;
      joints.filter((_, joint) => seen[joint]).forEach(({ x, y }) => disc(context, x, y, radius));
    }
    if (names) joints.forEach((joint, number) => seen[number] && label(context, joint, about.keypoints[number], unit));
  });
  return shown.length;
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function label(context, { x, y }, text, unit) {
  context.font = `${Math.max(10, 5 * unit)}px sans-serif`;
  context.strokeStyle = OUTLINE;
  context.lineWidth = unit;
  context.strokeText(text, x + 2 * unit, y);
  context.fillStyle = "#ffffff";
  context.fillText(text, x + 2 * unit, y);
}
