// Lines over time and histograms, drawn on canvases in the colours of the page.

const SECONDS = 300;
const SPANS = [60, 120, SECONDS];
const STEPS = [1, 1.5, 2, 3, 4, 6, 8, 10];

function prepared(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const style = getComputedStyle(canvas);
  const color = (name) => style.getPropertyValue(name).trim();
  return { context, width, height, color };
}

// The smallest round number that is not below the value.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return STEPS.map((step) => step * power).find((top) => top >= value);
}

// Two series of one value a second, newest last, null where there is none.
export function drawLines(canvas, first, second) {
  const { context, width, height, color } = prepared(canvas);
  if (width === 0) return;
  const known = [...first, ...second].filter((value) => value !== null);
  const top = ceiling(Math.max(1, ...known) * 1.05);
  const span = SPANS.find((seconds) => seconds >= first.length);
  const [left, bottom, upper] = [34, height - 16, 6];
  const x = (index, length) => width - 1 - ((length - 1 - index) * (width - left - 1)) / (span - 1);
  const y = (value) => bottom - ((bottom - upper) * value) / top;

  context.font = "11px system-ui, sans-serif";
  context.fillStyle = color("--faint");
  context.strokeStyle = color("--line");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const value of [0, top / 2, top]) {
    context.fillText(String(value), left - 6, y(value));
    context.beginPath();
    context.moveTo(left, Math.round(y(value)) + 0.5);
    context.lineTo(width, Math.round(y(value)) + 0.5);
    context.stroke();
  }
  context.textBaseline = "bottom";
  context.textAlign = "left";
  context.fillText(`${span / 60} min ago`, left, height);
  context.textAlign = "right";
  context.fillText("now", width - 1, height);

  context.lineWidth = 1.8;
  context.lineJoin = "round";
  for (const [series, name] of [[first, "--first"], [second, "--accent"]]) {
    context.strokeStyle = color(name);
    context.beginPath();
    let drawing = false;
    series.forEach((value, index) => {
      if (value === null) drawing = false;
      else if (drawing) context.lineTo(x(index, series.length), y(value));
      else context.moveTo(x(index, series.length), y(value));
      drawing = value !== null;
    });
    context.stroke();
  }
}

// Shares of pixels in equal bins from black to white; the root shows small shares beside large ones.
export function drawHistogram(canvas, shares) {
  const { context, width, height, color } = prepared(canvas);
  if (!shares || width === 0) return;
  const roots = shares.map(Math.sqrt);
  const top = Math.max(0.2, ...roots);
  const bar = width / roots.length;
  context.fillStyle = color("--accent");
  roots.forEach((root, index) => {
    const tall = (root / top) * (height - 6);
    context.fillRect(index * bar, height - tall, bar + 0.4, tall);
  });
}

export class Series {
  constructor() {
    this.values = [];
  }

  add(value) {
    this.values.push(value);
    this.values.splice(0, this.values.length - SECONDS);
  }
}
