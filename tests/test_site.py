"The documentation site builds without warning, and works without a network."

import json
import re

import pytest
from nbdev.config import nbpath2html

import anchors
import browse_site
import build_docs
from check_site import faults
from conftest import ROOT


@pytest.mark.parametrize(
    "body, fault",
    [
        ("<a href='gone.html'>x</a>", "dead link gone.html"),
        ("<a href='#gone'>x</a>", "dead link #gone"),
        ("<img src='gone.png' alt='x'>", "dead link gone.png"),
        ("<img src='https://x.org/a.png' alt='x'>", "loads https://x.org/a.png"),
        ("<img src='data:,' alt='a cat'>", None),
        (
            "<img src='data:,'><img src='data:,' alt=' '>",
            "pictures without alternative text: 2; write #| fig-alt: above their code",
        ),
        ("<script src='//x.org/a.js'></script>", "loads //x.org/a.js"),
        ("<p>::: {.callout-note}</p>", "shows raw markup :::"),
        ("<p>$$x$$</p>", "shows raw markup $$"),
        ("<a href='page.html#here' id='here'>x</a><code>$$</code><a href='https://x.org'>x</a>", None),
    ],
)
def test_faults_are_found(tmp_path, body, fault):
    (tmp_path / "page.html").write_text(f"<html><body>{body}</body></html>")
    assert faults(tmp_path) == ([f"page.html: {fault}"] if fault else [])


@pytest.mark.parametrize(
    "options, texts",
    [
        ("#| fig-cap: One.\n#| fig-alt: A cat.", ["One.|A cat.", "|A cat."]),
        ("", ["|", "|"]),
        ("#| fig-alt: A cat.", ["|A cat.", "|A cat."]),
        (
            '#| fig-cap: [One., Two.]\n#| fig-alt: ["", "A cat.", "A <dog>."]',
            ["One.|A cat.", "Two.|A &lt;dog&gt;."],
        ),
    ],
)
def test_pictures_get_their_texts_and_size(tmp_path, options, texts):
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "AAAA", "text/plain": ["x"]},
        "metadata": {"image/png": {"width": 30, "height": 20}},
    }
    said = {"output_type": "stream", "name": "stdout", "text": ["said"]}
    code = {
        "cell_type": "code",
        "source": f"{options}\nshow()",
        "outputs": [said, picture, picture | {"metadata": {}}],
    }
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [code]}))
    build_docs.stage_notebook(tmp_path / "a.ipynb", {}, "https://x.org")
    outputs = json.loads((tmp_path / "a.ipynb").read_text())["cells"][0]["outputs"]
    shown = [output["data"]["text/html"] for output in outputs[1:]]
    assert outputs[0] == said and [' width="30" height="20"' in html for html in shown] == [True, False]
    found = [
        [re.search(pattern, html) for pattern in ("<figcaption>(.*)</figcaption>", 'alt="(.*?)"')]
        for html in shown
    ]
    assert ["|".join(match[1] if match else "" for match in pair) for pair in found] == texts


def test_style_sheets_load_nothing_from_elsewhere(tmp_path):
    (tmp_path / "page.html").write_text("<p>x</p>")
    (tmp_path / "a.css").write_text("@import url(https://x.org/font);")
    assert faults(tmp_path) == ["a.css: loads https://x.org/font"]


def test_site(built):
    assert faults(built / "_docs") == []
    pages = {path.name for path in (built / "_docs").glob("*.html")}
    assert pages == {nbpath2html(path).name for path in (built / "nbs").glob("*.ipynb")}
    assert "<math" in (built / "_docs" / "simclr_loss.html").read_text(encoding="utf-8")


def test_every_point_of_the_write_ups_has_a_place():
    "The anchors themselves are among the links that `faults` follows"
    notebook = json.loads((ROOT / "nbs" / "points.ipynb").read_text(encoding="utf-8"))
    tables = ["".join(c["source"]) for c in notebook["cells"] if "| it says |" in "".join(c["source"])]
    rows = [line for table in tables for line in table.splitlines() if line.startswith("| ")]
    points = [row for row in rows if row != "| it says | here |"]
    assert len(tables) == 5 and len(points) > 60
    assert [row for row in points if not re.search(r"\]\([\w-]+\.ipynb#[\w.-]+\)", row)] == []


def test_names_that_differ_in_case_have_their_own_anchors(built):
    twins, site = anchors.case_twins(), built / "_docs"
    assert ["Grey", "grey"] == sorted(twins["augment.html"]["grey"])
    for page, by in twins.items():
        text = (site / page).read_text(encoding="utf-8")
        for name in (name for names in by.values() for name in names):
            assert len(re.findall(rf'<h[3-6][^>]* data-anchor-id="{name}"[^>]*>{name}<', text)) == 1, name
    symbols = (site / "symbols.html").read_text(encoding="utf-8")
    assert 'href="augment.html#Grey"' in symbols and 'href="augment.html#grey"' in symbols


def test_a_link_to_the_site_has_a_picture(built):
    site = built / "_docs"
    head = (site / "index.html").read_text(encoding="utf-8")
    picture = re.search(r'property="og:image" content="[^"]*/(images/[^"]+)"', head)
    assert picture and (site / picture[1]).is_file() and 'name="twitter:card"' in head


# --- in a browser


def test_site_in_a_browser(built, chromium):
    assert browse_site.faults(built / "_docs", chromium) == []


SEARCH = "oninput=\"results.innerHTML = '<a class=search-result href=page.html#nt_xent>nt_xent</a>'\""
SWITCH = "onclick=\"localStorage.dark = +!+localStorage.dark; paint()\""
PAGE = f"""<html><body>
<div id="quarto-search"><input {SEARCH}></div><div id="results" class="smalldocs-search-results"></div>
<a class="quarto-color-scheme-toggle" {SWITCH}>theme</a><h2 id="nt_xent">nt_xent</h2>BODY
<script>
const paint = () => {{
  document.body.style.background = +localStorage.dark ? 'black' : 'white';
  document.body.style.color = +localStorage.dark ? 'white' : 'black';
}};
paint();
</script></body></html>"""
PLANTED = {
    "sideways": ("<p style='width: 500px'>wide</p>", ["scrolls sideways at 390 px: 508 px, by <p> wide"]),
    "own-box": ("<div style='overflow-x: auto'><p style='width: 5000px'>wide</p></div>", []),
    "image": ("<img src='text.png'>", ["image not shown: text.png"]),
    "lazy": (
        "<p style='height: 9000px'></p><img loading='lazy' src='text.png'>",
        ["image not shown: text.png"],
    ),
    "console": ("<script>console.error('oh')</script>", ["console: oh"]),
    "script": ("<script>gone()</script>", ["script: gone is not defined"]),
    "request": ("<link rel='stylesheet' href='gone.css'>", ["request failed: gone.css (404)"]),
    "elsewhere": (
        "<script src='https://x.org/a.js'></script>",
        ["request failed: https://x.org/a.js (net::ERR_NAME_NOT_RESOLVED)"],
    ),
    "markup": (
        "<p>$$x$$ ::: {{&lt; x &gt;}}</p>",
        ["shows raw markup $$", "shows raw markup :::", "shows raw markup {{<"],
    ),
    "faint": (
        "<p style='color: #999'>light grey</p><p style='color: #949494; font-size: 25px'>large</p><p hidden>x</p>",
        ["faint text: 2.8 of <p> . light grey"],
    ),
    "dim-when-dark": (
        "<p style='color: #444' class='note'>grey</p>",
        ["faint text in the other theme: 2.2 of <p> .note grey"],
    ),
    "code": ("<pre>$$x$$</pre><p><code>:::</code></p>", []),
    "long": ("<p style='height: 22480px'>x</p>", ["25.1 screens of 900 px (at most 25)"]),
    "folded": ("<details><p style='height: 22500px'>x</p></details>", []),
    "start": ("<p style='height: 12040px'>x</p>", ["13.5 screens of 900 px (at most 12)"]),
}


def planted(folder, pages):
    "Write `pages`, a dictionary from name to text, into a new folder below `folder`"
    folder = folder / str(len(list(folder.iterdir())))
    folder.mkdir()
    (folder / "text.png").write_text("no image")
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return folder


def test_faults_are_found_in_a_browser(tmp_path, chromium):
    pages = {name: PAGE.replace("BODY", body) for name, (body, _) in PLANTED.items()} | {
        "index": PAGE,
        "page": PAGE,
    }
    found = browse_site.faults(planted(tmp_path, pages), chromium)
    assert found == [f"{name}.html: {fault}" for name in sorted(PLANTED) for fault in PLANTED[name][1]]


@pytest.mark.parametrize(
    "part, without, lines",
    [
        (SEARCH, SEARCH.replace("search-result ", "search-none "), ["search does not find nt_xent"]),
        (
            SEARCH,
            SEARCH.replace("page.html", "gone.html"),
            ["request failed: gone.html (404)", "search finds nt_xent where it is not"],
        ),
        (SWITCH, "", ["the theme switch changes nothing"]),
        ("localStorage", "window", ["the theme is forgotten on the next page"]),
        ("quarto-search", "x", ["has no search"]),
        ("quarto-color-scheme-toggle", "x", ["has no theme switch"]),
    ],
    ids=["no result", "wrong result", "dead switch", "forgotten theme", "no search", "no switch"],
)
def test_search_and_theme_are_tried(tmp_path, chromium, part, without, lines):
    page = PAGE.replace("BODY", "").replace(part, without)
    assert browse_site.faults(planted(tmp_path, {"index": page, "page": page}), chromium) == [
        f"index.html: {line}" for line in lines
    ]


@pytest.mark.parametrize(
    "named, on_path, own, found",
    [
        ("mine", ["mine", "chromium"], True, "mine"),
        (None, ["google-chrome", "chromium"], True, "chromium"),
        ("", ["google-chrome"], True, "google-chrome"),
        (None, [], True, "own"),
        (None, [], False, "apt-get install chromium"),
        ("gone", ["chromium"], True, "CHROMIUM=gone is no program"),
    ],
)
def test_choice_of_the_browser(tmp_path, monkeypatch, named, on_path, own, found):
    for name in [*on_path, *["own"] * own]:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", named) if named is not None else monkeypatch.delenv(
        "CHROMIUM", raising=False
    )
    try:
        assert browse_site.find_browser(str(tmp_path / "own")) == str(tmp_path / found)
    except browse_site.NoBrowser as error:
        assert found in str(error)
