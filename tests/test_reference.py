"The reference pages: entries of symbols, the page that lists them, and the Markdown twins."

import json
import re
from pathlib import Path

import pytest

import docproc
import reference
import twins
from conftest import ROOT
from ssl_nb._modidx import d

SOURCE = '''
def plain(
    x: Tensor,  # (N,D) features
    n: Count = 3,  # How many | which
    *,
    kind: Literal["a", "b"] = "a",  # One
) -> float:  # in 0..1
    "What it does"
    if n > 3:
        raise ValueError("no")


class Box:
    "A box"

    width: int = 2  # in metres

    def open(self, by: int):
        "Lift the lid"

    @property
    def empty(self):
        "Whether nothing is in it"

    def _hidden(self): ...
'''


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "box.py"
    path.write_text(
        f"from typing import Literal\nfrom ssl_nb.settings import Count\n{SOURCE}", encoding="utf-8"
    )
    return path


def test_entry_of_a_function(source):
    said = reference.entry(source, "plain")
    assert "plain(x, n=3, *, kind='a')" in said
    assert "| `x` | `Tensor` |  | (N,D) features |" in said
    assert "| `n` | whole number, >= 1 | `3` | How many \\| which |" in said
    assert "| `kind` | `a`, `b` | `'a'` | One |" in said
    assert "| **returns** | `float` |  | in 0..1 |" in said
    assert said.endswith("Raises `ValueError`.")


def test_entry_of_a_class(source):
    said = reference.entry(source, "Box")
    assert "Box(width=2)" in said
    assert "| `width` | `int` | `2` | in metres |" in said
    assert "| `open(by)` | Lift the lid |" in said
    assert "| `empty` | Whether nothing is in it |" in said
    assert "_hidden" not in said and "Raises" not in said


def test_a_name_that_is_not_there_has_no_entry(source):
    assert reference.entry(source, "gone") == ""


def test_a_long_signature_is_wrapped(tmp_path):
    path = tmp_path / "long.py"
    path.write_text(f"def f({', '.join(f'argument_{i}=None' for i in range(20))}): ...", encoding="utf-8")
    lines = reference.entry(path, "f").splitlines()
    assert max(map(len, lines)) <= 2 * reference.WIDTH and lines[1] == "f(" and ")" in lines


def public():
    "(module, name) of every public function and class"
    for module, names in d["syms"].items():
        for full in names:
            name = full.removeprefix(f"{module}.")
            if "." not in name and not name.startswith("_"):
                yield module, name


def test_every_symbol_has_an_entry():
    without = [
        (module, name)
        for module, name in public()
        if f"{name}(" not in reference.entry(ROOT / f"{module.replace('.', '/')}.py", name)
    ]
    assert without == []


def test_the_page_of_symbols_lists_them_all():
    notebook = json.loads((ROOT / "nbs" / "symbols.ipynb").read_text(encoding="utf-8"))
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    listed = "".join("".join(o["data"].get("text/markdown", "")) for o in outputs)
    missing = [name for _, name in public() if f"<code>{name}</code>" not in listed]
    assert missing == [], "run nbs/symbols.ipynb again and keep its output"


# --- Markdown twins


def staged(folder, name, *cells, title="A page"):
    "A staged notebook whose cells are given as Markdown or as (code, outputs)"
    front = dict(
        cell_type="raw", source=f"---\ntitle: {title}\ndescription: About it\noutput-file: {name}.html\n---\n"
    )
    made = [
        dict(cell_type="markdown", source=c)
        if isinstance(c, str)
        else dict(cell_type="code", source=c[0], outputs=c[1])
        for c in cells
    ]
    path = folder / f"00_{name}.ipynb"
    path.write_text(json.dumps(dict(cells=[front, *made])), encoding="utf-8")


def test_a_twin_says_what_the_page_says(tmp_path):
    printed = dict(output_type="stream", text="3\n")
    picture = dict(output_type="display_data", data={"image/png": "AAAA"})
    staged(
        tmp_path,
        "one",
        "See [two](00_two.ipynb#part), [it](https://x.org/two.html#a) and [all](https://else.org/).",
        ("#| code-fold: true\nprint(3)", [printed]),
        ("#| echo: false\n#| fig-cap: A cat.\nshow()", [picture]),
    )
    staged(tmp_path, "two", "::: {.note}\nHello\n:::\n", title="Second")
    twins.write_twins(tmp_path, tmp_path, "https://x.org", "# Site")
    one = (tmp_path / "one.html.md").read_text(encoding="utf-8")
    assert one.startswith("# A page\n\n> About it\n\n")
    assert "[two](two.html.md#part), [it](two.html.md#a) and [all](https://else.org/)" in one
    assert "```python\nprint(3)\n```" in one and "```\n3\n```" in one
    assert "*Picture: A cat.*" in one and "show()" not in one and "---" not in one
    assert (tmp_path / "two.html.md").read_text(encoding="utf-8") == "# Second\n\n> About it\n\nHello\n"
    listed = (tmp_path / "llms.txt").read_text(encoding="utf-8")
    assert listed.startswith("# Site\n") and "- [Second](two.html.md): About it" in listed


def test_links_of_the_twins_lead_somewhere(built):
    site = Path(built / "_docs")
    pages = {path.name.removesuffix(".md") for path in site.glob("*.html.md")}
    assert pages == {path.name for path in site.glob("*.html")}
    for path in [*site.glob("*.md"), site / "llms.txt"]:
        text = re.sub(r"^(`{3,}).*?^\1$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
        assert [link for link in local if not (site / link).is_file()] == [], path.name


def test_what_a_function_returns_is_said_of_no_parameter(tmp_path):
    path = tmp_path / "box.py"
    path.write_text("def lid(a, b=1) -> float:  # 0..1\n    'Close'\n", encoding="utf-8")
    rows = [line for line in reference.entry(path, "lid").splitlines() if "0..1" in line]
    assert len(rows) == 1 and "returns" in rows[0]


@pytest.mark.parametrize(
    "name, page", [("look_at", "07_folders"), ("Pile", "labelling"), ("near_pairs", "label_page")]
)
def test_a_page_means_its_own_function_of_a_name(name, page):
    found = docproc.exported()[f"{page}.ipynb"]
    assert found.stem == page.removeprefix("07_") and reference.find(found, name)
