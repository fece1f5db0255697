"""Write what the pages in nbs/touch show: views of digits, a map of clothes, a picture (half a minute).

python tools/touch_data.py
"""

import base64
import io
import json
import tempfile

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

import browse_site
import ssl_nb
from ssl_nb.augment import Views, augmentation
from ssl_nb.core import write_text
from ssl_nb.encoders import features
from ssl_nb.figures import tsne
from ssl_nb.label_page import Pile, payload
from ssl_nb.runs import results_dir
from touch_model import TOUCH, as_text, copy_touch, write_script

N_IMAGES, NEIGHBOURS, COLUMNS = 1000, 8, 40


def data_uri(image, kind, **how):
    "A picture as text"
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def write(name, data):
    "A script that sets DATA"
    path = TOUCH / f"{name}-data.js"
    write_script(path, "DATA", data)
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def encoder_of(name):
    "The kept encoder of seed 0 of a data set"
    return ssl_nb.load_encoder(results_dir() / "encoders" / f"{name}-seed-0.safetensors")


def temperature(n=8):
    "Two views of `n` digits, and the directions of their features, centred over the test images"
    test = ssl_nb.load_data("mnist").test
    some = torch.tensor([int((test.y == c).nonzero()[3]) for c in range(n)])
    views, _ = Views(augmentation(crop=0.5, rotation=15.0), 2)(
        test.x[some], gen=torch.Generator().manual_seed(3)
    )
    pixels = (255 * views).clamp(0, 255).byte()
    encoder = encoder_of("mnist")
    h = features(encoder, pixels) - features(encoder, test.x[:2000]).mean(0)
    z = torch.nn.functional.normalize(h, dim=1)
    tiles = [data_uri(Image.fromarray(p[0].numpy()), "PNG", optimize=True) for p in pixels]
    write("temperature", dict(z=[[round(v, 4) for v in row] for row in z.tolist()], tiles=tiles))


def sheet_of(x):
    "All images on one picture, `COLUMNS` in a row"
    side = x.shape[-1]
    out = np.zeros((-(-len(x) // COLUMNS) * side, COLUMNS * side), np.uint8)
    for i, image in enumerate(x):
        row, column = divmod(i, COLUMNS)
        out[row * side : (row + 1) * side, column * side : (column + 1) * side] = image[0]
    return Image.fromarray(out)


def clothes():
    "A map of test images by features that saw no label, and the nearest neighbours of each"
    data = ssl_nb.load_data("fashion_mnist")
    x, y = data.test.x[:N_IMAGES].numpy(), data.test.y[:N_IMAGES].tolist()
    h = features(encoder_of("fashion_mnist"), data.test.x[:N_IMAGES])
    xy, _ = tsne(h)
    xy = (xy - xy.min(0)) / (xy.max(0) - xy.min(0))
    z = torch.nn.functional.normalize(h, dim=1)
    near = (z @ z.T).fill_diagonal_(-2).topk(NEIGHBOURS).indices
    write(
        "map",
        dict(
            xy=[[round(float(v), 4) for v in place] for place in xy],
            y=y,
            near=near.tolist(),
            classes=data.classes,
            sheet=data_uri(sheet_of(x), "WEBP", quality=70),
            columns=COLUMNS,
            side=x.shape[-1],
        ),
    )


def digits(n=600, tests=8):
    "Training digits and the directions of their representations by the shipped classifier; some test images"
    data = ssl_nb.load_data("mnist")
    encoder = ssl_nb.load_encoder(ssl_nb.shipped_model("mnist"))
    x = data.train.x[:n]
    z = torch.nn.functional.normalize(features(encoder, x), dim=1)
    write(
        "digit",
        dict(
            near=as_text(z.numpy()),
            y=data.train.y[:n].tolist(),
            sheet=data_uri(sheet_of(x.numpy()), "PNG", optimize=True),
            columns=COLUMNS,
            tests=[base64.b64encode(im.numpy().tobytes()).decode() for im in data.test.x[:tests]],
        ),
    )


def game(n=1000, groups=40):
    "The labelling page of test images whose classes the page knows, to keep a score"
    data = ssl_nb.load_data("fashion_mnist")
    x, y = data.test.x[:n], data.test.y[:n].tolist()
    h = features(encoder_of("fashion_mnist"), x)
    pile = Pile([f"{i:04}.png" for i in range(n)], x, h, "1,000 garments")
    told = payload(pile, groups, [name.lower() for name in data.classes])
    path = TOUCH / "game.json"
    write_text(path, json.dumps(dict(told=told, truth=y), separators=(",", ":")) + "\n")
    print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def picture(folder, name):
    "What the page looks like, for readers who cannot touch it"
    with browse_site.open_browser() as browser:
        tab = browser.new_page(viewport=dict(width=900, height=400), color_scheme="light")
        tab.goto((folder / f"{name}.html").as_uri())
        tab.wait_for_timeout(1000)
        if name == "digit":
            tab.get_by_role("combobox").select_option("test image 1")
        if name == "game":
            tab.set_viewport_size(dict(width=900, height=560))
        whole = tab.screenshot(full_page=name != "game")
        shown = Image.open(io.BytesIO(whole)).convert("RGB")
    target = TOUCH.parent / "images" / f"touch-{name}.png"
    shown.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(target, optimize=True)
    print(f"{target.name}: {shown.size}, {target.stat().st_size / 1e3:.0f} kB")


def main():
    "Write it all, and take the pictures"
    temperature()
    clothes()
    photo = Image.fromarray(load_sample_images().images[1]).resize((320, 214))
    write("views", dict(picture=data_uri(photo, "JPEG", quality=80)))
    digits()
    game()
    with tempfile.TemporaryDirectory() as folder:
        here = copy_touch(folder)
        for name in ("temperature", "map", "views", "digit", "game"):
            picture(here, name)


if __name__ == "__main__":
    main()
