"""Every notebook opens in Colab.

Its badge leads there, and its first cell installs the release, or the repository while there is none.
"""

import json
import os
import re
import subprocess

import pytest

import colab
from conftest import ROOT, run
from docproc import addresses

NOTEBOOKS = sorted((ROOT / "nbs").glob("*.ipynb"))


def cells(path):
    "Kind and source of the cells of a notebook"
    return [
        (cell["cell_type"], "".join(cell["source"]))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
    ]


def test_badges_and_first_cells_are_in_step():
    made = run("python", "tools/colab.py", "--check", cwd=ROOT)
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize(
    "old, new",
    [
        ("blob/main", "blob/master"),
        ("pip install -qq", "pip install -q"),
        ("`digits-demo`", "`digit-demo`"),
        ("git+https", "https"),
    ],
)
def test_a_cell_out_of_step_is_named(tree, old, new):
    page = tree / "nbs" / "03_pretrain.ipynb"
    page.write_text(page.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    told = run("python", "tools/colab.py", "--check", cwd=tree, PYTHONPATH=str(tree))
    assert told.returncode == 1 and told.stderr == "run `make readme`: not in step are 03_pretrain.ipynb\n"
    mended = run("python", "tools/colab.py", cwd=tree, PYTHONPATH=str(tree))
    assert mended.returncode == 0 and page.read_bytes() == (ROOT / "nbs" / page.name).read_bytes(), (
        mended.stderr
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_opens_with_badge_and_install(path):
    (first, title), (second, badge), *rest = cells(path)
    code = [source for kind, source in rest if kind == "code" and not source.startswith("#| default_exp")]
    at = addresses()["repository"].partition("github.com/")[2]
    assert (first, second) == ("markdown", "markdown") and title.startswith("# ")
    assert f"](https://colab.research.google.com/github/{at}/blob/main/nbs/{path.name})" in badge
    assert re.search(
        r"runs in full as it is\.|`ssl_nb reproduce NAME` with `|from the scripts in `benchmarks/`", badge
    )
    assert code[0].startswith("#| hide\n#| eval: false\n! ") and "pip install" in code[0]


def test_long_runs_are_those_that_a_page_shows_or_names():
    cell = lambda source, kind="code": dict(cell_type=kind, source=[source])
    page = [
        cell("see `ssl_nb reproduce w1`, `ssl_nb reproduce nothing`", "markdown"),
        cell("x = 'mnist-500'"),
        cell("#| export\nread_record('mnist-few-1')"),
        cell("! ls\nfor n in ('digits-demo', 'w1'): record_table(n)"),
        cell("tell('{mnist-linear: linear_acc} of 3')"),
    ]
    assert colab.long_runs(page) == ["w1", "digits-demo", "mnist-linear"]


PIP = "#!/bin/sh\necho \"$*\" >> \"$CALLS\"\ncase \"$*\" in *git+*) exit 0;; *) exit \"$RELEASED\";; esac\n"


@pytest.mark.parametrize("name", ["03_pretrain.ipynb", "09_export.ipynb"])
@pytest.mark.parametrize("in_colab, released, calls", [(False, True, 0), (True, True, 1), (True, False, 2)])
def test_first_cell_installs_the_release_or_else_the_repository(name, in_colab, released, calls, tmp_path):
    content, log = tmp_path / "content", tmp_path / "calls"
    if in_colab:
        content.mkdir()
    (tmp_path / "pip").write_text(PIP)
    (tmp_path / "pip").chmod(0o755)
    line = (
        colab.install(ROOT / "nbs" / name)
        .splitlines()[-1]
        .removeprefix("! ")
        .replace("/content", str(content))
    )
    known = os.environ | dict(
        PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", CALLS=str(log), RELEASED=str(int(not released))
    )
    done = subprocess.run(["sh", "-c", line], env=known, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    package, git = (
        "ssl_nb" + ("[export]" if name == "09_export.ipynb" else ""),
        "git+" + addresses()["repository"],
    )
    wanted = [f"install -qq {package}", f"install -qq {f'{package} @ {git}' if '[' in package else git}"][
        :calls
    ]
    assert (log.read_text().splitlines() if log.exists() else []) == wanted
