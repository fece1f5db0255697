// The softmax of a row of similarities as the temperature changes; DATA is {z: [[...]], tiles: [data URI]}
"use strict";

const N = DATA.z.length;
const EDGE = 20; // pixels for the pictures beside the matrix
const CELL = (340 - EDGE) / N;
const byId = id => document.getElementById(id);
const matrix = byId("matrix").getContext("2d");
const bars = byId("bars").getContext("2d");
const pictures = DATA.tiles.map(uri => Object.assign(new Image(), { src: uri }));
const similarity = DATA.z.map(a => DATA.z.map(b => a.reduce((sum, v, i) => sum + v * b[i], 0)));
let chosen = 0;

const tau = () => 10 ** byId("t").value;
const partner = i => (i + N / 2) % N; // views of one image stand half the list apart

// Weights of all other views for row i: exp(s / tau), adding up to 1
function weights(i, t) {
  const most = Math.max(...similarity[i].filter((_, j) => j !== i));
  const raw = similarity[i].map((s, j) => (j === i ? 0 : Math.exp((s - most) / t)));
  const sum = raw.reduce((a, b) => a + b);
  return raw.map(w => w / sum);
}

const loss = t => DATA.z.reduce((sum, _, i) => sum - Math.log(weights(i, t)[partner(i)]), 0) / N;

function shade(s) {
  const v = Math.max(0, Math.min(1, (s + 1) / 2));
  return `rgb(${Math.round(255 - 214 * v)}, ${Math.round(255 - 170 * v)}, ${Math.round(255 - 90 * v)})`;
}

function drawMatrix() {
  matrix.clearRect(0, 0, 340, 340);
  for (let i = 0; i < N; i++) {
    const at = EDGE + i * CELL;
    if (pictures[i].complete) {
      matrix.drawImage(pictures[i], 0, at, EDGE - 2, CELL - 1);
      matrix.drawImage(pictures[i], at, 0, CELL - 1, EDGE - 2);
    }
    for (let j = 0; j < N; j++) {
      matrix.fillStyle = i === j ? ink("panel") : shade(similarity[i][j]);
      matrix.fillRect(EDGE + j * CELL, at, CELL - 1, CELL - 1);
    }
  }
  matrix.strokeStyle = ink("mark");
  matrix.lineWidth = 3;
  matrix.strokeRect(EDGE - 1, EDGE + chosen * CELL - 1, N * CELL, CELL);
}

function drawBars(w) {
  const order = w.map((_, j) => j).filter(j => j !== chosen).sort((a, b) => w[b] - w[a]);
  const step = 330 / (N - 1);
  bars.clearRect(0, 0, 330, 270);
  order.forEach((j, place) => {
    bars.fillStyle = j === partner(chosen) ? "#e69f00" : ink("mark");
    const high = 235 * w[j];
    bars.fillRect(place * step + 2, 240 - high, step - 4, Math.max(high, 1));
    if (pictures[j].complete) bars.drawImage(pictures[j], place * step + 1, 246, step - 2, step - 2);
  });
}

function draw() {
  const t = tau();
  const w = weights(chosen, t);
  const others = w.filter((_, j) => j !== chosen && j !== partner(chosen)).sort((a, b) => b - a);
  const all = others.reduce((a, b) => a + b, 0);
  byId("tau").value = t.toFixed(t < 0.1 ? 3 : 2);
  drawMatrix();
  drawBars(w);
  byId("said").textContent =
    `The right answer has ${(100 * w[partner(chosen)]).toFixed(1)} %. Of what the wrong ones share, the most similar ` +
    `takes ${(100 * others[0] / all).toFixed(0)} %. The mean loss over all rows is ${loss(t).toFixed(2)}.`;
}

function choose(row) {
  chosen = (row + N) % N;
  draw();
}

byId("t").addEventListener("input", draw);
byId("matrix").addEventListener("click", event => {
  const box = byId("matrix").getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) * 340 / box.height - EDGE) / CELL);
  if (row >= 0 && row < N) choose(row);
});
byId("matrix").addEventListener("keydown", event => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    choose(chosen + step);
  }
});
document.addEventListener("theme", draw);
Promise.allSettled(pictures.map(p => p.decode())).then(draw);
