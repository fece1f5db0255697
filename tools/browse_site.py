"""Faults of a built site that only a browser sees: `python tools/browse_site.py _docs` prints a line for each.

Headless Chromium opens every page over a local server, from which nothing else can be reached, and uses the search
and the theme switch.
"""

import argparse
import os
import shutil
import sys
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from check_site import RAW_MARKUP
from words import TUTORIALS

try:
    from playwright.sync_api import Error, sync_playwright
except ImportError:
    sync_playwright = None

WIDTHS = [1280, 390]  # pixels: a laptop, a phone
SCREEN = 900  # pixels: the height of a laptop's window
MOST_SCREENS, MOST_TUTORIAL = 25, 12
PROGRAMS = ["chromium", "chromium-browser", "google-chrome"]
HOW_TO_INSTALL = (
    "install it with `apt-get install chromium` or `python -m playwright install chromium`, "
    "or name one in CHROMIUM"
)
TIMEOUT = 60_000  # milliseconds: a busy machine is slow, too

BROKEN_IMAGES = """async () => {
  for (const image of document.images) image.loading = 'eager';
  await Promise.allSettled([...document.images].map(image => image.decode()));
  return [...document.images].filter(image => !image.naturalWidth).map(image => image.getAttribute('src'));
}"""
SIDEWAYS = """() => {
  const room = document.documentElement.clientWidth, needed = document.documentElement.scrollWidth;
  if (needed <= room) return null;
  const boxed = e => getComputedStyle(e).overflowX !== 'visible';
  const inBox = e => e.parentElement && (boxed(e.parentElement) || inBox(e.parentElement));
  const right = e => e.getBoundingClientRect().right;
  const free = [...document.body.querySelectorAll('*')].filter(e => !inBox(e));
  const widest = free.reduce((a, b) => right(b) >= right(a) ? b : a, document.body);
  return `${needed} px, by <${widest.tagName.toLowerCase()}> ${widest.textContent.trim().slice(0, 40)}`.trim();
}"""
SHOWN_TEXT = """() => {
  const style = document.createElement('style');
  style.textContent = 'pre, code { display: none !important; }';
  document.head.append(style);
  const text = document.body.innerText;
  style.remove();
  return text;
}"""
FAINT = """() => {
  const channel = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const read = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map(v => v / 255);
  };
  const rgba = color => known.get(color) ?? known.set(color, read(color)).get(color);
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const behind = e => {
    if (!e) return [1, 1, 1];
    const own = rgba(getComputedStyle(e).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(e.parentElement));
  };
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => sum + w * channel(c[i]), 0);
  const pairs = new Map();
  for (const e of document.body.querySelectorAll('*')) {
    const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join(' ').trim();
    if (!text || !e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const style = getComputedStyle(e), back = behind(e), front = over(rgba(style.color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 600);
    if (ratio >= (large ? 3 : 4.5)) continue;
    const where = e.closest('[class]')?.className.toString().split(' ')[0] ?? '';
    const tag = e.tagName.toLowerCase(), said = text.slice(0, 30);
    pairs.set(`${style.color}${back}`, `${ratio.toFixed(1)} of <${tag}> .${where} ${said}`);
  }
  return [...pairs.values()];
}"""
HEIGHT = "document.documentElement.scrollHeight"
STYLED = (
    "() => [...document.querySelectorAll('link[rel=stylesheet]')].every(link => link.disabled || link.sheet)"
)
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


class NoBrowser(Exception):
    "There is nothing to look at pages with; the message says what to do"


def find_browser(playwrights_own):
    "Path of a Chromium: the one that CHROMIUM names, else one on PATH, else playwright's own"
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named):
        raise NoBrowser(f"CHROMIUM={named} is no program")
    found = next(filter(None, map(shutil.which, [named] if named else [*PROGRAMS, playwrights_own])), None)
    if not found:
        raise NoBrowser(f"no Chromium found: {HOW_TO_INSTALL}")
    return found


@contextmanager
def open_browser():
    "A headless Chromium that reaches this machine alone, as playwright's Browser"
    if sync_playwright is None:
        raise NoBrowser("playwright is missing: install it with `pip install playwright`")
    with sync_playwright() as playwright:
        path = find_browser(playwright.chromium.executable_path)
        options = [
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--disable-background-networking",
            "--disable-component-update",
        ]
        try:
            browser = playwright.chromium.launch(executable_path=path, args=options, timeout=TIMEOUT)
        except Error as error:
            raise NoBrowser(f"{path} does not start: {error.message.splitlines()[0]}") from None
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(folder):
    "Address at which the files of `folder` are served"

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def opened(browser, address):
    "A fresh tab, and the list to which whatever goes wrong in it is added"
    seen = []

    def note(url, why):
        seen.append(f"request failed: {url.removeprefix(address)} ({why})")

    with browser.new_context(viewport={"width": WIDTHS[0], "height": SCREEN}) as context:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.on(
            "console",
            lambda m: (
                seen.append(f"console: {m.text}")
                if m.type == "error" and "Failed to load resource" not in m.text
                else None
            ),
        )
        page.on("pageerror", lambda error: seen.append(f"script: {error.message}"))
        page.on(
            "requestfailed", lambda r: note(r.url, r.failure) if r.failure != "net::ERR_ABORTED" else None
        )  # aborted: we went on
        page.on("response", lambda r: note(r.url, r.status) if r.status >= 400 else None)
        yield page, seen


def page_faults(page):
    "One line for each fault in how the loaded `page` looks"
    yield from (f"image not shown: {source}" for source in page.evaluate(BROKEN_IMAGES))
    text = page.evaluate(SHOWN_TEXT)
    yield from (f"shows raw markup {mark}" for mark in RAW_MARKUP if mark in text)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": SCREEN})
        needed = page.evaluate(SIDEWAYS)
        if needed:
            yield f"scrolls sideways at {width} px: {needed}"
    page.set_viewport_size({"width": WIDTHS[0], "height": SCREEN})
    yield from contrast_faults(page)


def long_page(page, name):
    "A line if the loaded page called `name` is over its limit of screens, folded parts not counted"
    most = MOST_TUTORIAL if Path(name).stem in TUTORIALS else MOST_SCREENS
    screens = page.evaluate(HEIGHT) / SCREEN
    if screens > most:
        yield f"{screens:.1f} screens of {SCREEN} px (at most {most})"


def faint_text(page, tries=10):
    "What `FAINT` finds, again and again while something is found: the sheet of the other theme may be on its way"
    for _ in range(tries):
        found = page.evaluate(FAINT)
        if not found:
            break
        page.wait_for_timeout(200)
    return found


def contrast_faults(page):
    "One line for each pair of colours in which text of the loaded `page` is hard to read (WCAG 2.2: 4.5, 3 if large)"
    page.add_style_tag(content="* { transition: none !important; }")
    yield from (f"faint text: {pair}" for pair in faint_text(page))
    switch, before = page.locator(".quarto-color-scheme-toggle"), page.evaluate(BACKGROUND)
    if switch.count():
        switch.first.dispatch_event("click")
        if page.evaluate(BACKGROUND) != before:
            yield from (f"faint text in the other theme: {pair}" for pair in faint_text(page))
            switch.first.dispatch_event("click")


def search_faults(page, word):
    "Faults of the search on the loaded `page`, whose result for `word` should lead to the section of that name"
    box, results = page.locator("#quarto-search input"), page.locator(".smalldocs-search-results")
    if not box.count():
        return ["has no search"]
    box.fill(word)
    results.locator(".search-result, .search-none").first.wait_for()
    result = results.locator(f".search-result[href$='#{word}']")
    if not result.count():
        return [f"search does not find {word}"]
    with page.expect_navigation():
        result.first.click()
    return [] if page.locator(f"[id='{word}']").count() else [f"search finds {word} where it is not"]


def theme_faults(page, next_url):
    "Faults of the theme switch on the loaded `page`: it should change its colours and those of the page at `next_url`"
    switch, before = page.locator(".quarto-color-scheme-toggle"), page.evaluate(BACKGROUND)
    if not switch.count():
        return ["has no theme switch"]
    switch.first.click()
    try:
        page.wait_for_function(f"{BACKGROUND} !== {before!r}", timeout=5_000)
    except Error:
        return ["the theme switch changes nothing"]
    after = page.evaluate(BACKGROUND)
    page.goto(next_url)
    return [] if page.evaluate(BACKGROUND) == after else ["the theme is forgotten on the next page"]


def faults(site, browser, word="nt_xent", pages_only=False):
    """One line for each fault of the site in folder `site`

    `word` is a section's name that the search of its first page should find. Quarto's own search and theme switch
    and the room it gives a page are not ours to test: `pages_only` leaves them out."""
    names = sorted(path.relative_to(site).as_posix() for path in Path(site).rglob("*.html"))
    if not names:
        return [f"{site}: has no pages"]
    first, found = "index.html" if "index.html" in names else names[0], []
    with served(site) as address, opened(browser, address) as (page, seen):

        def visit(name, look):
            try:
                page.goto(address + name)
                lines = list(look())
            except Error as error:
                lines = [error.message.splitlines()[0]]
            found.extend(f"{name}: {fault}" for fault in seen + lines)
            seen.clear()

        for name in names:
            visit(
                name,
                lambda: page_faults(page) if pages_only else [*page_faults(page), *long_page(page, name)],
            )
        if not pages_only:
            visit(first, lambda: search_faults(page, word))
            visit(first, lambda: theme_faults(page, address + names[-1]))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", nargs="?", default="_docs", type=Path)
    parser.add_argument("--pages-only", action="store_true", help="neither search nor theme switch")
    asked = parser.parse_args()
    try:
        with open_browser() as chromium:
            lines = faults(asked.site, chromium, pages_only=asked.pages_only)
    except NoBrowser as error:
        lines = [str(error)]
    sys.exit("\n".join(lines) or 0)
