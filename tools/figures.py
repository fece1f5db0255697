"""Make the saved figures of the notebooks small: a palette of 256 colours in place of 16 million.

python tools/figures.py           rewrites the notebooks whose figures are large
python tools/figures.py --check   names them, exit status 1
"""

import base64
import io
import json
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent


def small(png):
    "The same picture with a palette, or as it is where that is no smaller"
    image = Image.open(io.BytesIO(png))
    if image.mode == "P":
        return png
    out = io.BytesIO()
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return min(png, out.getvalue(), key=len)


def pictures(notebook):
    "The bundles of outputs that hold a PNG"
    return [
        output["data"]
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", ())
    ]


def main(check):
    large = []
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        for data in pictures(notebook):
            png = base64.b64decode(data["image/png"])
            less = small(png)
            if len(less) < 0.9 * len(png):
                data["image/png"] = base64.b64encode(less).decode()
                large.append(path.name)
        if path.name in large and not check:
            path.write_text(
                json.dumps(notebook, sort_keys=True, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
    if check and large:
        print(
            "large figures in",
            ", ".join(dict.fromkeys(large)),
            "- run python tools/figures.py",
            file=sys.stderr,
        )
    return int(check and bool(large))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
