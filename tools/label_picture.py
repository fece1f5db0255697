"""Take the picture of the labelling page, nbs/images/label.png: some groups are named (a minute).

python tools/label_picture.py
"""

import io
import tempfile
from pathlib import Path

from PIL import Image

import browse_site
from ssl_nb.data import load_data
from ssl_nb.deepclustering import all_images
from ssl_nb.label_page import Pile, page_html, payload
from ssl_nb.pretraining import pretrain

TARGET = Path(__file__).parent.parent / "nbs" / "images" / "label.png"
SIZE = dict(width=960, height=600)


def pile_of_digits(n=600):
    "Digits, their true classes, and features from a short pretraining"
    images = all_images(load_data("digits", image_size=16))
    x, y = images.x[:n], images.y[:n].tolist()
    with tempfile.TemporaryDirectory() as folder:
        run = pretrain(x, preset="digits", epochs=30, out=Path(folder) / "run", quiet=True)
        h = run.features(x)
    return Pile([f"scan-{i:03}.png" for i in range(n)], x, h, "scans"), [images.classes[c] for c in y]


def name_groups(tab, true, n):
    "Name the first groups by what most of each shows"
    for _ in range(n):
        titles = tab.eval_on_selector_all(".group.current .tile[data-i]", "all => all.map(t => t.dataset.i)")
        found = [true[int(i)] for i in titles]
        tab.locator(".group.current input").fill(max(found, key=found.count))
        tab.keyboard.press("Enter")


def main():
    "Make the page, work on it, and keep what it looks like"
    pile, true = pile_of_digits()
    with tempfile.TemporaryDirectory() as folder, browse_site.open_browser() as browser:
        page = Path(folder, "label.html")
        page.write_text(page_html(payload(pile, 40)), encoding="utf-8")
        with browser.new_context(viewport=SIZE, reduced_motion="reduce") as context:
            tab = context.new_page()
            tab.goto(page.as_uri())
            tab.wait_for_selector(".group.current")
            name_groups(tab, true, 22)
            tab.wait_for_timeout(4000)  # what is said below has gone
            shown = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
    shown.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(TARGET, optimize=True)  # rare colours stay
    print(f"{TARGET.name}: {Image.open(TARGET).size}, {TARGET.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
