// Draw a digit: the shipped classifier names it in the browser and shows the most similar training digits.
// MODEL is {tensors, classes, sharpness}; DATA is {near: {shape, half}, y, sheet, columns, tests}
"use strict";

const byId = id => document.getElementById(id);
const paper = byId("paper").getContext("2d", { willReadFrequently: true });
const bars = byId("bars").getContext("2d");
const nearest = byId("near").getContext("2d");
const sheet = Object.assign(new Image(), { src: DATA.sheet });
const SIDE = 28, CHOSEN = 7;

// --- numbers

// A float16 of 16 bits as a number
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
  if (power === 0) return sign * rest * 2 ** -24;
  if (power === 31) return rest ? NaN : sign * Infinity;
  return sign * (1 + rest / 1024) * 2 ** (power - 15);
}

function decode({ half }) {
  const bytes = Uint8Array.from(atob(half), c => c.charCodeAt(0));
  return Float32Array.from(new Uint16Array(bytes.buffer), fromHalf);
}

const T = Object.fromEntries(Object.entries(MODEL.tensors).map(([name, t]) => [name, decode(t)]));
const NEAR = decode(DATA.near);

// A 3x3 convolution without a bias over (channels, side, side), zeros around it
function convolve(x, side, weight, channels) {
  const before = x.length / side / side, out = new Float32Array(channels * side * side);
  for (let o = 0; o < channels; o++) for (let i = 0; i < before; i++) for (let k = 0; k < 9; k++) {
    const w = weight[(o * before + i) * 9 + k], dy = Math.floor(k / 3) - 1, dx = k % 3 - 1;
    for (let y = Math.max(0, -dy); y < Math.min(side, side - dy); y++) {
      const to = (o * side + y) * side, from = (i * side + y + dy) * side + dx;
      for (let c = Math.max(0, -dx); c < Math.min(side, side - dx); c++) out[to + c] += w * x[from + c];
    }
  }
  return out;
}

// Batch normalisation, the largest of each 2x2 pixels, and ReLU
function normalisePool(x, side, name) {
  const channels = x.length / side / side, half = side >> 1, out = new Float32Array(channels * half * half);
  for (let c = 0; c < channels; c++) {
    const scale = T[`${name}.weight`][c] / Math.sqrt(T[`${name}.running_var`][c] + 1e-5);
    const shift = T[`${name}.bias`][c] - T[`${name}.running_mean`][c] * scale;
    for (let y = 0; y < half; y++) for (let z = 0; z < half; z++) {
      const at = (c * side + 2 * y) * side + 2 * z;
      const four = [x[at], x[at + 1], x[at + side], x[at + side + 1]].map(v => v * scale + shift);
      out[(c * half + y) * half + z] = Math.max(0, ...four);
    }
  }
  return out;
}

function linear(x, name) {
  const weight = T[`${name}.weight`], bias = T[`${name}.bias`];
  return bias.map((b, o) => {
    let sum = b;
    for (let i = 0; i < x.length; i++) sum += weight[o * x.length + i] * x[i];
    return sum;
  });
}

// The representation, 256 numbers, of an image of 784 pixels in 0..255
function represent(pixels) {
  let x = Float32Array.from(pixels, p => (p / 255 - T["encoder.mean"][0]) / T["encoder.std"][0]), side = SIDE;
  [32, 64, 128].forEach((channels, block) => {
    x = convolve(x, side, T[`encoder.body.${block}.0.weight`], channels);
    x = normalisePool(x, side, `encoder.body.${block}.1`);
    side >>= 1;
  });
  return linear(linear(x, "encoder.body.4").map(v => Math.max(0, v)), "encoder.body.6");
}

const directed = h => h.map(v => v / Math.hypot(...h));

// The probability of each class for a representation
function classify(h) {
  const scores = linear(MODEL.sharpness ? directed(h).map(v => v * MODEL.sharpness) : h, "head");
  const most = Math.max(...scores), raw = Array.from(scores, s => Math.exp(s - most));
  const sum = raw.reduce((a, b) => a + b);
  return raw.map(v => v / sum);
}

// The training digits whose representations point most in the same direction
function mostSimilar(h) {
  const own = directed(h), size = own.length;
  const cosine = DATA.y.map((_, i) => own.reduce((sum, v, k) => sum + v * NEAR[i * size + k], 0));
  return cosine.map((_, i) => i).sort((a, b) => cosine[b] - cosine[a]).slice(0, CHOSEN);
}

// --- the drawing

// What is drawn as MNIST has it: the ink 20 pixels large, its centre of mass in the middle of 28; null when empty
function centred() {
  const { data } = paper.getImageData(0, 0, 280, 280);
  let left = 280, right = -1, top = 280, bottom = -1, mass = 0, mx = 0, my = 0;
  for (let y = 0; y < 280; y++) for (let x = 0; x < 280; x++) {
    const ink = data[4 * (280 * y + x)];
    if (ink < 32) continue;
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    [mass, mx, my] = [mass + ink, mx + ink * x, my + ink * y];
  }
  if (right < 0) return null;
  const scale = 20 / Math.max(right - left + 1, bottom - top + 1);
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE }).getContext("2d");
  small.imageSmoothingQuality = "high";
  small.translate(SIDE / 2, SIDE / 2);
  small.scale(scale, scale);
  small.drawImage(byId("paper"), -mx / mass, -my / mass);
  return small.getImageData(0, 0, SIDE, SIDE).data.filter((_, i) => i % 4 === 0);
}

function drawBars(p) {
  bars.clearRect(0, 0, 320, 210);
  bars.font = "15px system-ui, sans-serif";
  bars.textAlign = "center";
  const best = p.indexOf(Math.max(...p));
  p.forEach((v, c) => {
    bars.fillStyle = c === best && v > 0 ? "#e69f00" : ink("mark");
    bars.fillRect(32 * c + 4, 180 - 170 * v, 24, Math.max(170 * v, 1));
    bars.fillStyle = ink("ink");
    bars.fillText(MODEL.classes[c], 32 * c + 16, 200);
  });
}

function drawNear(found) {
  nearest.clearRect(0, 0, 320, 44);
  found.forEach((i, at) => {
    const [x, y] = [(i % DATA.columns) * SIDE, Math.floor(i / DATA.columns) * SIDE];
    nearest.drawImage(sheet, x, y, SIDE, SIDE, at * 46, 0, 44, 44);
  });
}

let shown = { p: MODEL.classes.map(() => 0), near: [] };

function answer(pixels) {
  const h = represent(pixels);
  shown = { p: classify(h), near: mostSimilar(h) };
  const best = shown.p.indexOf(Math.max(...shown.p));
  byId("said").textContent = `This is a ${MODEL.classes[best]}, with ${(100 * shown.p[best]).toFixed(0)} % probability.`;
  paint();
}

function paint() {
  drawBars(shown.p);
  drawNear(shown.near);
}

function clear() {
  paper.fillStyle = "black";
  paper.fillRect(0, 0, 280, 280);
  shown = { p: MODEL.classes.map(() => 0), near: [] };
  byId("said").textContent = "Draw a digit.";
  paint();
}

function place(event) {
  const box = byId("paper").getBoundingClientRect();
  return [(event.clientX - box.left) * 280 / box.width, (event.clientY - box.top) * 280 / box.height];
}

function stroke(from, to) {
  Object.assign(paper, { strokeStyle: "white", lineWidth: 22, lineCap: "round", lineJoin: "round" });
  paper.beginPath();
  paper.moveTo(...from);
  paper.lineTo(...to);
  paper.stroke();
}

let last = null;
byId("paper").addEventListener("pointerdown", event => {
  byId("paper").setPointerCapture(event.pointerId);
  if (byId("example").value) {
    byId("example").value = "";
    clear();
  }
  last = place(event);
  stroke(last, last);
});
byId("paper").addEventListener("pointermove", event => {
  if (!last) return;
  const now = place(event);
  stroke(last, now);
  last = now;
});
byId("paper").addEventListener("pointerup", () => {
  last = null;
  const pixels = centred();
  if (pixels) answer(pixels);
});
byId("clear").addEventListener("click", () => {
  byId("example").value = "";
  clear();
});

// --- test images, for readers without a mouse or a finger

function showTest(i) {
  const pixels = Uint8Array.from(atob(DATA.tests[i]), c => c.charCodeAt(0));
  const image = new ImageData(SIDE, SIDE);
  pixels.forEach((v, k) => image.data.set([v, v, v, 255], 4 * k));
  const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  small.getContext("2d").putImageData(image, 0, 0);
  paper.imageSmoothingEnabled = false;
  paper.drawImage(small, 0, 0, 280, 280);
  answer(pixels);
}

byId("example").append(new Option("a test image", ""));
DATA.tests.forEach((_, i) => byId("example").append(new Option(`test image ${i + 1}`, i)));
byId("example").addEventListener("change", event => {
  clear();
  if (event.target.value !== "") showTest(Number(event.target.value));
});
document.addEventListener("theme", paint);
sheet.decode().then(clear);
