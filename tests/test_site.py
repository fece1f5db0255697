"The documentation site builds without warning, and works without a network."
import pytest
from check_site import faults
from nbdev.config import nbpath2html

from conftest import run


@pytest.mark.parametrize("body, fault", [
    ("<a href='gone.html'>x</a>", "dead link gone.html"), ("<a href='#gone'>x</a>", "dead link #gone"), ("<img src='gone.png'>", "dead link gone.png"),
    ("<img src='https://x.org/a.png'>", "loads https://x.org/a.png"), ("<script src='//x.org/a.js'></script>", "loads //x.org/a.js"),
    ("<p>::: {.callout-note}</p>", "shows raw markup :::"), ("<p>$$x$$</p>", "shows raw markup $$"),
    ("<a href='page.html#here' id='here'>x</a><code>$$</code><a href='https://x.org'>x</a>", None),
])
def test_faults_are_found(tmp_path, body, fault):
    (tmp_path / "page.html").write_text(f"<html><body>{body}</body></html>")
    assert faults(tmp_path) == ([f"page.html: {fault}"] if fault else [])


def test_style_sheets_load_nothing_from_elsewhere(tmp_path):
    (tmp_path / "page.html").write_text("<p>x</p>")
    (tmp_path / "a.css").write_text("@import url(https://x.org/font);")
    assert faults(tmp_path) == ["a.css: loads https://x.org/font"]


def test_site(tree):
    built = run("python", "tools/build_docs.py", "--offline", cwd=tree, PYTHONPATH=str(tree))
    assert built.returncode == 0, built.stdout + built.stderr
    assert faults(tree / "_docs") == []
    pages = {path.name for path in (tree / "_docs").glob("*.html")}
    assert pages == {nbpath2html(path).name for path in (tree / "nbs").glob("*.ipynb")}
    assert "<math" in (tree / "_docs" / "simclr_loss.html").read_text(encoding="utf-8")
