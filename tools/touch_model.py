"""The pages to touch in a folder of their own, with the shipped classifier of digits as a script beside them.

Its float16 weights stay as they are, in base64.
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


def write_model(path):
    "Write `const MODEL = ...` to `path`"
    with safe_open(MODEL, "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        told = json.loads(file.metadata()["ssl_nb"]) if "ssl_nb" in file.metadata() else file.metadata()
    data = dict(
        tensors={name: as_text(t) for name, t in tensors.items() if t.ndim},
        classes=told["classes"],
        sharpness=told["sharpness"],
    )
    text = json.dumps(data, separators=(",", ":"))
    Path(path).write_text(f"// Written by tools/touch_model.py\nconst MODEL = {text};\n", encoding="utf-8")


def copy_touch(site):
    "Copy the pages to touch into `site`/touch, with the model beside them; returns that folder"
    folder = Path(site) / "touch"
    shutil.copytree(TOUCH, folder, dirs_exist_ok=True)
    write_model(folder / "digit-model.js")
    return folder
