"""The pages to touch in a folder of their own, with what is made from the package when the site is built.

That is the shipped classifier of digits, its float16 weights as they are, in base64; and the game, which is the
labelling page with a score.
"""

import base64
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors import safe_open

HOME = Path(__file__).parent.parent
MODEL = HOME / "results" / "models" / "mnist.safetensors"
TOUCH = HOME / "nbs" / "touch"


def as_text(array):
    "{shape, half: base64} of the numbers in float16, little-endian"
    half = np.ascontiguousarray(array, "<f2")
    return dict(shape=list(array.shape), half=base64.b64encode(half.tobytes()).decode())


def write_script(path, name, data):
    "A script that sets the constant `name`"
    text = json.dumps(data, separators=(",", ":"))
    Path(path).write_text(f"// Written by a script in tools/\nconst {name} = {text};\n", encoding="utf-8")


def write_model(path):
    "The shipped classifier as `const MODEL`"
    with safe_open(MODEL, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        told = json.loads(file.metadata()["ssl_nb"])
    weights = {name: as_text(t) for name, t in tensors.items() if t.ndim}
    write_script(path, "MODEL", dict(tensors=weights, classes=told["classes"], sharpness=told["sharpness"]))


def write_game(path):
    "The labelling page as it is in the package, with the rules of the game behind it"
    from ssl_nb.label_page import page_html

    data = json.loads((TOUCH / "game.json").read_text(encoding="utf-8"))
    rules = (TOUCH / "game.js").read_text(encoding="utf-8")
    truth = json.dumps(data["truth"], separators=(",", ":"))
    Path(path).write_text(page_html(data["told"], f"\nconst TRUTH = {truth}\n{rules}"), encoding="utf-8")


def copy_touch(site):
    "Copy the pages to touch into `site`/touch, with the model and the game beside them; returns that folder"
    folder = Path(site) / "touch"
    shutil.copytree(TOUCH, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("game.js*"))
    write_model(folder / "digit-model.js")
    write_game(folder / "game.html")
    return folder
