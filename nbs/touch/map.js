// A map of pictures: hover shows one, a click its neighbours; DATA is {xy, y, near, classes, sheet, columns, side}
"use strict";

const byId = id => document.getElementById(id);
const COLOURS = ["#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#8a8f98"];
const map = byId("map").getContext("2d");
const strip = byId("strip").getContext("2d");
const sheet = Object.assign(new Image(), { src: DATA.sheet });
const WIDTH = 900, HEIGHT = 520, EDGE = 14;
const hidden = new Set();
let pointed = -1, chosen = -1;

const place = i => [EDGE + DATA.xy[i][0] * (WIDTH - 2 * EDGE), EDGE + DATA.xy[i][1] * (HEIGHT - 2 * EDGE)];

function drawPicture(to, i, x, y, side) {
  const { columns, side: own } = DATA;
  to.drawImage(sheet, (i % columns) * own, Math.floor(i / columns) * own, own, own, x, y, side, side);
}

function drawDot(i, radius) {
  const [x, y] = place(i);
  map.fillStyle = COLOURS[DATA.y[i]];
  map.beginPath();
  map.arc(x, y, radius, 0, 2 * Math.PI);
  map.fill();
}

function drawLines() {
  const [x, y] = place(chosen);
  map.strokeStyle = ink("ink");
  map.lineWidth = 1.5;
  for (const j of DATA.near[chosen]) {
    map.beginPath();
    map.moveTo(x, y);
    map.lineTo(...place(j));
    map.stroke();
  }
}

function drawShown(i) {
  const side = 84;
  const [x, y] = place(i);
  const left = Math.min(Math.max(x + 10, 0), WIDTH - side - 2);
  const top = Math.min(Math.max(y - side - 10, 2), HEIGHT - side - 2);
  drawPicture(map, i, left, top, side);
  map.strokeStyle = COLOURS[DATA.y[i]];
  map.lineWidth = 4;
  map.strokeRect(left, top, side, side);
}

function draw() {
  map.fillStyle = ink("panel");
  map.fillRect(0, 0, WIDTH, HEIGHT);
  for (let i = 0; i < DATA.y.length; i++) if (!hidden.has(DATA.y[i])) drawDot(i, 4);
  if (chosen >= 0) {
    drawLines();
    [chosen, ...DATA.near[chosen]].forEach(i => drawDot(i, 7));
  }
  if (pointed >= 0) drawShown(pointed);
}

function drawStrip() {
  strip.clearRect(0, 0, 900, 84);
  [chosen, ...DATA.near[chosen]].forEach((i, at) => {
    const x = at * 92 + (at > 0) * 20;
    drawPicture(strip, i, x, 2, 80);
    strip.strokeStyle = COLOURS[DATA.y[i]];
    strip.lineWidth = 4;
    strip.strokeRect(x + 2, 2, 78, 80);
  });
}

function choose(i) {
  chosen = i;
  const own = DATA.classes[DATA.y[i]];
  const alike = DATA.near[i].filter(j => DATA.y[j] === DATA.y[i]).length;
  byId("said").textContent = `${own}: ${alike} of its ${DATA.near[i].length} nearest neighbours are of the same class.`;
  drawStrip();
  draw();
}

// The dot nearest to a place of the mouse, -1 where none is within 14 pixels
function under(event) {
  const box = byId("map").getBoundingClientRect();
  const x = (event.clientX - box.left) * WIDTH / box.width;
  const y = (event.clientY - box.top) * HEIGHT / box.height;
  let best = -1, least = (14 * WIDTH / box.width) ** 2;
  DATA.y.forEach((c, i) => {
    const [a, b] = place(i);
    const far = (a - x) ** 2 + (b - y) ** 2;
    if (!hidden.has(c) && far < least) [best, least] = [i, far];
  });
  return best;
}

function toggle(c, button) {
  hidden.has(c) ? hidden.delete(c) : hidden.add(c);
  button.setAttribute("aria-pressed", String(!hidden.has(c)));
  draw();
}

function legend() {
  DATA.classes.forEach((name, c) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.style.borderLeft = `10px solid ${COLOURS[c]}`;
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => toggle(c, button));
    byId("classes").append(button);
  });
}

byId("map").addEventListener("pointermove", event => {
  pointed = under(event);
  draw();
});
byId("map").addEventListener("pointerleave", () => {
  pointed = -1;
  draw();
});
byId("map").addEventListener("click", event => {
  const i = under(event);
  if (i >= 0) choose(i);
});
byId("map").addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  pointed = (chosen + step + DATA.y.length) % DATA.y.length;
  choose(pointed);
});
document.addEventListener("theme", draw);
legend();
sheet.decode().then(() => choose(0));
