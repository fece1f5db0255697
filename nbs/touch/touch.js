// What all pages to touch share: the theme of the page around them, and their own height told to it
"use strict";

const root = document.documentElement;

// The document that holds this page in a frame, or null where the browser lets nobody look (files on a disk)
function outside() {
  try {
    return window.parent !== window ? window.parent.document : null;
  } catch {
    return null;
  }
}

function paintTheme() {
  const page = outside();
  const says = page && `${page.documentElement.className} ${page.body.className}`;
  const dark = says ? says.includes("quarto-dark") : matchMedia("(prefers-color-scheme: dark)").matches;
  root.classList.toggle("dark", dark);
  document.dispatchEvent(new Event("theme"));
}

function tellHeight() {
  try {
    if (window.frameElement) window.frameElement.style.height = `${document.body.scrollHeight + 4}px`;
  } catch {
    // a frame of another origin keeps the height that it was given
  }
}

function begin() {
  paintTheme();
  const page = outside();
  if (page) {
    const seen = new MutationObserver(paintTheme);
    for (const part of [page.documentElement, page.body]) {
      seen.observe(part, { attributes: true, attributeFilter: ["class"] });
    }
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintTheme);
  new ResizeObserver(tellHeight).observe(document.body);
}

// A colour of the theme by its name in touch.css
const ink = name => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

document.addEventListener("DOMContentLoaded", begin);
