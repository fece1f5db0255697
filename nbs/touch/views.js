// Random views of a picture under sliders that are named like the settings; an approximation on a canvas.
// DATA is {picture: data URI}
"use strict";

const byId = id => document.getElementById(id);
const views = byId("views").getContext("2d", { willReadFrequently: true });
const SIDE = 100, GAP = 6, COLUMNS = 4, ROWS = 3;
// name: [least, most, step, value, what it does]
const SLIDERS = {
  crop: [0.05, 1, 0.05, 0.4, "smallest share of the area that is kept"],
  rotation: [0, 180, 1, 10, "degrees to either side"],
  flip: [0, 1, 0.05, 0.5, "share of views that are mirrored"],
  brightness: [0, 1, 0.05, 0.4, "how much lighter or darker"],
  contrast: [0, 1, 0.05, 0.4, "how much more or less contrast"],
  hue: [0, 0.5, 0.01, 0, "how far colours turn"],
  no_colour: [0, 1, 0.05, 0.2, "share of views in grey"],
  blur: [0, 1, 0.05, 0, "share of views that are blurred"],
  noise: [0, 0.5, 0.01, 0, "standard deviation of the noise"],
  cutout: [0, 1, 0.05, 0, "share of views with a hole"],
};
let picture = Object.assign(new Image(), { src: DATA.picture });
let seed = 1, state = 1;

// Random numbers that are the same for a seed, so that a slider changes one thing only (mulberry32)
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let v = Math.imul(state ^ (state >>> 15), 1 | state);
  v = (v + Math.imul(v ^ (v >>> 7), 61 | v)) ^ v;
  return ((v ^ (v >>> 14)) >>> 0) / 2 ** 32;
}
const between = (a, b) => a + (b - a) * random();
const value = name => Number(byId(name).value);

// Left, top and side of a random square part that keeps at least `least` of the area
function part(least) {
  const whole = Math.min(picture.naturalWidth, picture.naturalHeight);
  const side = whole * Math.sqrt(between(least, 1));
  return [between(0, picture.naturalWidth - side), between(0, picture.naturalHeight - side), side];
}

// The changes of one view, all drawn, whether a slider uses them or not
function drawn() {
  return {
    part: part(value("crop")),
    angle: between(-1, 1) * value("rotation") * Math.PI / 180,
    mirrored: random() < value("flip"),
    light: 1 + between(-1, 1) * value("brightness"),
    contrast: 1 + between(-1, 1) * value("contrast"),
    turn: between(-1, 1) * value("hue") * 360,
    grey: random() < value("no_colour"),
    blurred: random() < value("blur") ? between(0.5, 3) : 0,
    hole: [random() < value("cutout"), between(0, 0.7), between(0, 0.7)],
  };
}

function addNoise(x, y, sd) {
  const pixels = views.getImageData(x, y, SIDE, SIDE);
  for (let i = 0; i < pixels.data.length; i += 4) {
    const v = 255 * sd * (random() + random() + random() + random() - 2) * Math.sqrt(3);
    for (let c = 0; c < 3; c++) pixels.data[i + c] += v;
  }
  views.putImageData(pixels, x, y);
}

function drawView(x, y) {
  const v = drawn();
  views.save();
  views.beginPath();
  views.rect(x, y, SIDE, SIDE);
  views.clip();
  views.filter = `brightness(${v.light}) contrast(${v.contrast}) hue-rotate(${v.turn}deg) grayscale(${v.grey ? 1 : 0}) ` +
    `blur(${v.blurred}px)`;
  views.translate(x + SIDE / 2, y + SIDE / 2);
  views.rotate(v.angle);
  views.scale(v.mirrored ? -1 : 1, 1);
  views.drawImage(picture, v.part[0], v.part[1], v.part[2], v.part[2], -SIDE / 2, -SIDE / 2, SIDE, SIDE);
  views.restore();
  if (v.hole[0]) {
    views.fillStyle = "black";
    views.fillRect(x + v.hole[1] * SIDE, y + v.hole[2] * SIDE, 0.3 * SIDE, 0.3 * SIDE);
  }
  if (value("noise") > 0) addNoise(x, y, value("noise"));
}

function draw() {
  for (const name of Object.keys(SLIDERS)) byId(name).nextElementSibling.value = value(name);
  views.fillStyle = "black";
  views.clearRect(0, 0, 420, 320);
  for (let i = 0; i < COLUMNS * ROWS; i++) {
    const [x, y] = [(i % COLUMNS) * (SIDE + GAP), Math.floor(i / COLUMNS) * (SIDE + GAP)];
    state = 1000 * seed + i;
    views.fillRect(x, y, SIDE, SIDE);
    if (i) {
      drawView(x, y);
    } else {
      const whole = Math.min(picture.naturalWidth, picture.naturalHeight);
      const [left, top] = [(picture.naturalWidth - whole) / 2, (picture.naturalHeight - whole) / 2];
      views.drawImage(picture, left, top, whole, whole, x, y, SIDE, SIDE);
    }
  }
}

function addSlider(name, [least, most, step, start, says]) {
  const line = document.createElement("label");
  line.innerHTML = `<span></span><input type="range"><output></output>`;
  const [text, input] = line.children;
  text.textContent = name;
  line.title = says;
  Object.assign(input, { id: name, min: least, max: most, step, value: start });
  input.addEventListener("input", draw);
  byId("sliders").append(line);
}

async function load(file) {
  const other = Object.assign(new Image(), { src: URL.createObjectURL(file) });
  try {
    await other.decode();
  } catch {
    byId("said").textContent = `${file.name} is no picture that this browser can read; choose a PNG or JPEG file.`;
    return;
  }
  picture = other;
  byId("said").textContent = `${file.name}: first the picture, then eleven views. Nothing is sent.`;
  draw();
}

Object.entries(SLIDERS).forEach(([name, how]) => addSlider(name, how));
byId("again").addEventListener("click", () => {
  seed += 1;
  draw();
});
byId("file").addEventListener("change", event => {
  if (event.target.files.length) load(event.target.files[0]);
});
picture.decode().then(draw);
