// The answer over its picture or clip: boxes, points, trails and masks of a result's record at a second.

// Okabe and Ito's colours: told apart with any colour vision. A white halo keeps them visible on any ground.
export const COLOURS = ["#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2"];

const TRUTH = "rgba(0,158,115,.75)";

// COCO's compressed run lengths (pycocotools' rleFrString): 5 bits a character, from the third run on as a difference
// from the run before the last.
export function runLengths(counts) {
  const runs = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0, shift = 0, more = true;
    while (more) {
      const bits = counts.charCodeAt(at++) - 48;
      value |= (bits & 31) << shift;
      shift += 5;
      more = (bits & 32) !== 0;
      if (!more && bits & 16 && shift < 32) value |= -1 << shift;
    }
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

// A mask as an image of its own size, coloured where it is; runs go down the columns.
export function maskImage({ size: [height, width], counts }, colour) {
  const image = new ImageData(width, height);
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  let place = 0, inside = false;
  for (const run of runLengths(counts)) {
    if (inside) {
      for (let i = place; i < place + run; i++) {
        const pixel = 4 * ((i % height) * width + Math.floor(i / height));
        image.data.set([r, g, b, 120], pixel);
      }
    }
    place += run;
    inside = !inside;
  }
  return image;
}

const mix = (a, b, share) => a.map((value, i) => value + share * (b[i] - value));

// The boxes to show at a second: those of that second, or between two of one thing, moved evenly and marked as such.
export function boxesAt(record, second) {
  const still = record.boxes.filter((box) => box.second === null);
  const things = Map.groupBy ? Map.groupBy(record.boxes.filter((b) => b.second !== null), (b) => b.thing)
    : grouped(record.boxes.filter((b) => b.second !== null));
  for (const boxes of things.values()) {
    boxes.sort((a, b) => a.second - b.second);
    const after = boxes.findIndex((box) => box.second >= second - 1e-3);
    if (after < 0 ? second - boxes.at(-1).second > 0.5 : after === 0 && boxes[0].second - second > 0.5) continue;
    const next = boxes[after < 0 ? boxes.length - 1 : after];
    const before = boxes[Math.max(0, (after < 0 ? boxes.length : after) - 1)];
    if (after <= 0 || Math.abs(next.second - second) < 0.05) still.push(next);
    else {
      const share = (second - before.second) / (next.second - before.second || 1);
      still.push({ ...next, box: mix(before.box, next.box, share), between: true });
    }
  }
  return still;
}

function grouped(boxes) {
  const found = new Map();
  for (const box of boxes) found.set(box.thing, [...(found.get(box.thing) ?? []), box]);
  return found;
}

// Everything of `record` at `second` on a canvas of that size; `pen` is a box that a person draws, 0-1000; `truth` is
// another record, whose boxes and points lie beneath.
export function draw(canvas, record, second, pen, truth = null) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const x = (v) => (v * width) / 1000, y = (v) => (v * height) / 1000;
  for (const { box: [l, t, r, b] } of truth ? boxesAt(truth, second) : []) {
    context.setLineDash([]);
    context.lineWidth = 9;
    context.strokeStyle = TRUTH;
    context.strokeRect(x(l), y(t), x(r - l), y(b - t));
  }
  if (record) {
    drawMasks(context, record, second, width, height);
    drawTrail(context, record, second, x, y);
    for (const box of boxesAt(record, second)) {
      const colour = COLOURS[box.thing % COLOURS.length], [l, t, r, b] = box.box;
      stroke(context, colour, box.between ? [6, 4] : [], () => context.strokeRect(x(l), y(t), x(r - l), y(b - t)));
      if (box.label) label(context, box.label, x(l), y(t), colour, width);
    }
    for (const point of record.points.filter((p) => p.second === null || Math.abs(p.second - second) < 0.51)) {
      drawPoint(context, point, x, y);
    }
  }
  if (pen) {
    const [l, t, r, b] = pen;
    stroke(context, COLOURS[1], [3, 3], () => context.strokeRect(x(l), y(t), x(r - l), y(b - t)));
  }
}

function stroke(context, colour, dash, path) {
  context.setLineDash([]);
  context.lineWidth = 5;
  context.strokeStyle = "rgba(255,255,255,.85)";
  path();
  context.setLineDash(dash);
  context.lineWidth = 2.5;
  context.strokeStyle = colour;
  path();
}

function label(context, words, left, top, colour, width) {
  context.font = "600 13px system-ui, sans-serif";
  const wide = Math.min(context.measureText(words).width + 10, width), high = 19;
  const x = Math.max(0, Math.min(left, width - wide)), y = top > high ? top - high : top;
  context.fillStyle = colour;
  context.fillRect(x, y, wide, high);
  context.fillStyle = "#000";
  context.fillText(words, x + 5, y + 14, wide - 10);
}

function drawPoint(context, point, x, y) {
  const [px, py] = point.point, colour = point.positive ? COLOURS[2] : COLOURS[5];
  context.setLineDash([]);
  context.beginPath();
  context.arc(x(px), y(py), 7, 0, 2 * Math.PI);
  context.fillStyle = "rgba(255,255,255,.9)";
  context.fill();
  context.beginPath();
  context.arc(x(px), y(py), 5, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "#fff";
  context.beginPath();  // a plus, or a minus for what is not meant
  context.moveTo(x(px) - 3, y(py));
  context.lineTo(x(px) + 3, y(py));
  if (point.positive) {
    context.moveTo(x(px), y(py) - 3);
    context.lineTo(x(px), y(py) + 3);
  }
  context.stroke();
}

function drawTrail(context, record, second, x, y) {
  const boxes = record.boxes.filter((b) => b.second !== null && b.second <= second + 1e-3);
  for (const [thing, track] of grouped(boxes)) {
    if (track.length < 2) continue;
    track.sort((a, b) => a.second - b.second);
    stroke(context, COLOURS[thing % COLOURS.length], [], () => {
      context.beginPath();
      track.forEach(({ box: [l, t, r, b] }, i) => (i ? context.lineTo : context.moveTo).call(context, x((l + r) / 2), y((t + b) / 2)));
      context.stroke();
    });
  }
}

const images = new WeakMap();  // a mask's canvas, made once

function drawMasks(context, record, second, width, height) {
  const masks = record.masks ?? [];
  const nearest = masks.filter((m) => m.second !== null).sort((a, b) => Math.abs(a.second - second) - Math.abs(b.second - second))[0];
  for (const mask of masks.filter((m) => m.second === null || m === nearest)) {
    if (!images.has(mask)) {
      const made = document.createElement("canvas");
      [made.height, made.width] = mask.size;
      made.getContext("2d").putImageData(maskImage(mask, COLOURS[1]), 0, 0);
      images.set(mask, made);
    }
    context.drawImage(images.get(mask), 0, 0, width, height);
  }
}

// What lies under a place (0-1000) at a second, in words.
export function wordsAt(record, second, [px, py]) {
  const box = boxesAt(record, second).find(({ box: [l, t, r, b] }) => px >= l && px <= r && py >= t && py <= b);
  const point = record.points.find(({ point: [x, y] }) => Math.hypot(x - px, y - py) < 18);
  if (point) return `${point.positive ? "point" : "not here"} [${point.point.map(Math.round).join(", ")}]`;
  if (!box) return "";
  const when = box.second === null ? "" : `\n${box.between ? "between seconds" : `second ${box.second}`}`;
  return `${box.label || "box"} [${box.box.map(Math.round).join(", ")}]${when}`;
}
