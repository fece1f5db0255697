"The labelling page under real clicks and keys in headless Chromium."

import csv
import io
import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import browse_site
import label_actions
from conftest import code, command
from ssl_nb import label_page
from ssl_nb.core import SslNbError, csv_cell
from ssl_nb.data import load_data
from ssl_nb.deepclustering import all_images
from ssl_nb.label_page import Labeller, Pile, page_html, payload


def small_map(h, seed=0):
    "t-SNE takes seconds; these tests do not look at distances"
    return np.random.default_rng(seed).random((len(h), 2))


@pytest.fixture(autouse=True)
def quick_maps(monkeypatch):
    monkeypatch.setattr(label_page, "flat", small_map)


@pytest.fixture(scope="module")
def digits():
    "160 digits with their true names by file"
    im = all_images(load_data("digits"))[torch.arange(160)]
    names = [f"{i:03}.png" for i in range(160)]
    true = dict(zip(names, (im.classes[c] for c in im.y)))
    return Pile(names, im.x, im.x.flatten(1).float(), "digits"), true


def write(folder, pile, name="label.html", **how):
    "A page of a pile"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(label_page, "flat", small_map)
        (folder / name).write_text(page_html(payload(pile, **how)), encoding="utf-8")
    return folder / name


@pytest.fixture(scope="module")
def page(tmp_path_factory, digits):
    return write(tmp_path_factory.mktemp("page"), digits[0], groups=20)


class Tab:
    "A window on a page, and what went wrong in it"

    def __init__(self, context, page):
        self.tab, self.faults = context.new_page(), []
        self.tab.on("pageerror", lambda error: self.faults.append(str(error)))
        self.tab.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        self.tab.on(
            "request", lambda r: r.url.startswith(("file", "blob", "data")) or self.faults.append(r.url)
        )
        self.tab.goto(page.as_uri())
        self.tab.wait_for_selector(".panel > *")

    def press(self, *keys):
        for key in keys:
            self.tab.keyboard.press(key)
        self.tab.evaluate(label_actions.SETTLED)

    def name(self, text):
        "Type a new name for what is in question"
        self.press("Enter")
        self.tab.keyboard.type(text)
        self.press("Enter")

    def texts(self, place):
        return self.tab.locator(place).all_text_contents()

    def progress(self):
        return self.tab.locator(".progress").inner_text()

    def says(self):
        return self.tab.locator(".dialog").inner_text()

    def labels(self):
        return label_actions.exported(self.tab)

    def load(self, name, text):
        "Choose a file in the Load dialogue"
        with self.tab.expect_file_chooser() as chosen:
            self.tab.get_by_role("button", name="Load", exact=True).click()
        content = text if isinstance(text, bytes) else text.encode("utf-8")
        file = dict(name=name, mimeType="text/csv", buffer=content)
        chosen.value.set_files(file)
        self.tab.wait_for_timeout(50)

    def first(self, place=".group.current"):
        "The file of the first tile in a part of the page"
        return self.tab.locator(f"{place} .tile[data-i]").first.get_attribute("title").split("\n")[0]


@contextmanager
def opened(chromium, *pages, **how):
    "Windows of one browser with its own store; whatever goes wrong in them fails the test"
    how = dict(viewport=dict(width=1280, height=900), accept_downloads=True) | how
    with chromium.new_context(**how) as context:
        tabs = [Tab(context, page) for page in pages]
        yield tabs[0] if len(tabs) == 1 else tabs
        assert [fault for tab in tabs for fault in tab.faults] == []


# --- labelling


def test_groups_are_named_with_keys(page, chromium):
    with opened(chromium, page) as tab:
        n = tab.tab.locator(".group.current .tile").count()
        files = [
            t.split("\n")[0]
            for t in tab.tab.eval_on_selector_all(".group.current .tile", "a => a.map(t => t.title)")
        ]
        tab.name("zero")
        assert tab.progress() == f"{n} of 160 images labelled"
        tab.name("one")
        tab.press("1")
        assert tab.texts(".class .name") == ["zero", "one"]
        assert tab.tab.locator(".group.named").count() == 3
        assert {file for file, c in tab.labels().items() if c == "zero"} >= set(files)


def test_strays_are_clicked_out_and_undone(page, chromium):
    with opened(chromium, page) as tab:
        tab.name("zero")
        group = tab.tab.locator(".group.named").first
        stray = group.locator(".tile").last
        stray.click()
        assert stray.get_attribute("aria-pressed") == "true"
        tab.press("Enter")
        tab.tab.keyboard.type("other")
        tab.press("Enter")
        assert stray.locator(".chip").inner_text() == "other"
        stray.click()
        tab.press("Delete")
        assert stray.locator(".chip").inner_text() == "none"
        tab.press("Control+z")
        assert stray.locator(".chip").inner_text() == "other"
        tab.press("Backspace", "Backspace")
        assert tab.progress().startswith("0 of") and tab.texts(".class .name") == []
        tab.press("Control+Shift+Z", "Control+Shift+Z")
        assert stray.locator(".chip").inner_text() == "other"


def test_groups_are_split_and_joined(page, chromium):
    with opened(chromium, page) as tab:
        count = lambda: tab.tab.locator(".group").count()
        sizes = lambda: sum(int(t.split()[0]) for t in tab.texts(".group .meta"))
        assert (count(), sizes()) == (20, 160)
        tab.tab.locator(".group").first.get_by_role("button", name="Split").click()
        assert (count(), sizes()) == (21, 160)
        tab.tab.locator(".group").first.get_by_role("button", name="Join").click()
        tab.tab.locator(".group").nth(1).get_by_role("button", name="Join here").click()
        assert (count(), sizes()) == (20, 160)
        tab.press("Backspace", "Backspace")
        assert count() == 20


def test_queue_asks_skips_and_counts(page, chromium):
    with opened(chromium, page) as tab:
        tab.press("Shift+Q")
        ask = lambda: tab.tab.locator(".ask .file-name").inner_text()
        first = ask()
        tab.name("zero")
        second = ask()
        assert second != first and tab.progress().startswith("1 of")
        tab.press("Space")
        third = ask()
        assert third not in (first, second)
        tab.press("1")
        tab.tab.get_by_role("button", name="None of these").click()
        tab.tab.locator(".guess").first.click()
        assert tab.labels()[third] == "zero" and len(tab.labels()) == 3
        assert "until labels add little" in tab.tab.locator(".hint").inner_text()


def test_check_finds_a_planted_error_and_accepts_guesses(page, digits, chromium):
    _, true = digits
    rows = list(true.items())
    wrong = rows[0][0]
    table = "file,label\n" + "".join(f"{f},{'wrong' if f == wrong else c}\n" for f, c in rows[:120])
    with opened(chromium, page) as tab:
        tab.load("labels.csv", table)
        tab.press("Escape", "Shift+C")
        tab.tab.wait_for_selector(".card")
        card = tab.tab.locator(".card", has_text=wrong)
        assert true[wrong] in card.inner_text() and "wrong" in card.inner_text()
        card.get_by_role("button").first.click()
        assert tab.labels()[wrong] == true[wrong]
        tab.tab.get_by_role("button", name="Guesses").click()
        tab.tab.locator(".group", has=tab.tab.locator("h3", has_text="0?")).get_by_role(
            "button", name="Accept"
        ).click()
        assert len(tab.labels()) > 120


def test_map_lassoes_and_labels(page, chromium):
    with opened(chromium, page) as tab:
        tab.press("Shift+M")
        box = tab.tab.locator("canvas").bounding_box()
        x, y, w, h = (box[k] for k in ("x", "y", "width", "height"))
        mouse = tab.tab.mouse
        mouse.move(x + 9, y + 9)
        mouse.down()
        for a, b in ((w - 9, 9), (w - 9, h - 9), (9, h - 9)):
            mouse.move(x + a, y + b, steps=4)
        mouse.up()
        assert "160 images selected" in tab.tab.locator(".selection").inner_text()
        tab.name("all")
        assert tab.progress().startswith("160 of")
        for colour in ("group", "confidence", "disagreement"):
            tab.tab.get_by_label("Colour by").select_option(colour)
        mouse.move(x + w / 2, y + h / 2)
        tab.press("Escape")
        tab.tab.locator("canvas").focus()
        tab.press("+", "ArrowLeft", "Enter")
        assert "selected" in tab.tab.locator(".selection").inner_text()


def test_a_mouse_alone_is_enough(page, chromium):
    with opened(chromium, page) as tab:
        field = tab.tab.get_by_label("New class")
        field.fill("zero")
        field.press("Enter")
        second = tab.tab.locator(".group:not(.named)").first
        second.locator("h3").click()
        tab.tab.locator(".class").first.click()
        assert tab.tab.locator(".group.named").count() == 2
        tiles = tab.tab.locator(".group:not(.named)").nth(2).locator(".tile")
        start, end = (tiles.nth(i).bounding_box() for i in (0, 2))
        tab.tab.mouse.move(start["x"] + 9, start["y"] + 9)
        tab.tab.mouse.down()
        tab.tab.mouse.move(end["x"] + 9, end["y"] + 9, steps=12)
        tab.tab.mouse.up()
        assert tab.tab.locator(".tile.selected").count() == 3
        tab.tab.locator(".class").first.click()
        tab.tab.get_by_role("button", name="Undo").click()
        tab.tab.get_by_role("button", name="Undo").click()
        assert tab.tab.locator(".group.named").count() == 1


def test_classes_are_renamed_joined_and_removed(page, chromium):
    with opened(chromium, page) as tab:
        tab.name("a")
        tab.name("b")
        n = len(tab.labels())
        more = lambda name: tab.tab.get_by_label(f"Rename or remove {name}").click()
        more("b")
        tab.tab.locator(".dialog input").fill("a")
        tab.tab.get_by_role("button", name="Rename", exact=True).click()
        assert (
            tab.texts(".class .name") == ["a"]
            and set(tab.labels().values()) == {"a"}
            and len(tab.labels()) == n
        )
        more("a")
        tab.tab.get_by_role("button", name="Remove it and its labels").click()
        assert tab.labels() == {} and tab.texts(".class .name") == []


# --- nothing is lost


def test_work_is_there_again_after_closing(page, chromium):
    with opened(chromium, page, page) as (tab, other):
        tab.name("zero")
        tab.press("Shift+Q", "1", "1")
        before = tab.labels()
        other.tab.wait_for_function(
            f"document.querySelector('.progress').textContent.startsWith('{len(before)} of')"
        )
        tab.tab.close()
        other.tab.close()
        with opened(chromium, page) as stranger:
            assert stranger.progress().startswith("0 of")
    with chromium.new_context() as context:
        tab = Tab(context, page)
        tab.name("zero")
        before = tab.labels()
        tab.tab.close()
        assert Tab(context, page).labels() == before != {}


def test_pages_of_other_images_do_not_share_labels(tmp_path, page, digits, chromium):
    pile, _ = digits
    other = write(tmp_path, Pile([f"other-{n}" for n in pile.names], pile.x, pile.h), groups=20)
    with opened(chromium, page, other) as (tab, stranger):
        tab.name("zero")
        stranger.tab.reload()
        assert stranger.progress().startswith("0 of")


@pytest.mark.parametrize(
    "error, says", [("QuotaExceededError", "is full"), ("SecurityError", "keeps nothing")]
)
def test_a_full_or_forbidden_store_is_said(page, chromium, error, says):
    refuse = f"Storage.prototype.setItem = () => {{ throw new DOMException('no', '{error}') }}"
    with chromium.new_context(accept_downloads=True) as context:
        context.add_init_script(refuse)
        tab = Tab(context, page)
        tab.name("zero")
        assert says in tab.tab.locator(".banner").inner_text()
        with tab.tab.expect_download() as got:
            tab.tab.get_by_role("button", name="Save labels.csv").click()
        assert Path(got.value.path()).read_text().startswith("file,label\n")


# --- tables


def test_export_with_guesses_says_which_are_guesses(page, chromium):
    with opened(chromium, page) as tab:
        for name in ("a", "b", "c"):
            tab.name(name)
        tab.tab.wait_for_timeout(100)
        tab.tab.get_by_role("button", name="Export").click()
        tab.tab.get_by_label("Least confidence of a guess").fill("50")
        with tab.tab.expect_download() as got:
            tab.tab.get_by_role("button", name="labels-with-guesses.csv").click()
        rows = list(csv.DictReader(io.StringIO(Path(got.value.path()).read_text())))
        assert {r["by"] for r in rows} == {"you, by group", "guess"}
        assert all(0.5 <= float(r["confidence"]) <= 1 for r in rows)


@pytest.mark.parametrize(
    "table, says",
    [
        ("a,b\n1,2\n", "the first line should be file,label"),
        ("", "the first line should be file,label"),
        ("file,label\nnowhere.png,cat\n", "None of its 1 row names an image of this page"),
        ("file,label\n000.png,cat\n000.png,dog\n", "000.png has two labels, cat and dog"),
        ('file,label\n"000.png,cat\n', "a quotation mark is not closed"),
        ("file,label\n000.png,Löwe\n".encode("latin-1"), "it is no text in UTF-8"),
        ("file,label\n" + "".join(f"{i}.png,c{i}\n" for i in range(1001)), "it has 1,001 classes"),
    ],
    ids=[
        "other table",
        "empty",
        "other folder",
        "two labels",
        "damaged",
        "other letters",
        "too many classes",
    ],
)
def test_a_wrong_table_changes_nothing(page, chromium, table, says):
    with opened(chromium, page) as tab:
        tab.name("zero")
        before = tab.labels()
        tab.load("labels.csv", table)
        assert "was not loaded" in tab.says() and says in tab.says()
        tab.press("Escape")
        assert tab.labels() == before


@pytest.mark.parametrize(
    "table",
    [
        "file,label\n000.png,Löwe\n".encode("utf-16"),
        "sep=;\nfile;label\n000.png;Löwe\n",
        "file\tlabel\n000.png\tLöwe\n",
        "file,label\n./000.png,Löwe\n",
        "file,label\n.\\000.png,Löwe\n",
    ],
    ids=["UTF-16", "sep=;", "tabs", "./", "backslash"],
)
def test_a_table_is_read_as_the_commands_read_it(page, chromium, table):
    with opened(chromium, page) as tab:
        tab.load("labels.csv", table)
        tab.press("Escape")
        assert tab.labels() == {"000.png": "Löwe"}


def test_a_class_that_a_spreadsheet_would_compute_is_written_so_that_none_does(page, chromium):
    with opened(chromium, page) as tab:
        tab.load("labels.csv", "file,label\n000.png,'=1+1\n001.png,-3\n")
        tab.press("Escape")
        assert tab.labels() == {"000.png": "'=1+1", "001.png": "-3"}
        assert "=1+1" in tab.texts(".classes")[0] and "'=1+1" not in tab.texts(".classes")[0]


def test_two_tables_are_merged(page, chromium):
    with opened(chromium, page) as tab:
        tab.load("mine.csv", '\ufefffile,label\r\n000.png,"a, ""b"""\r\n001.png,ß猫\r\ngone.png,x\r\n')
        assert "2 new labels" in tab.says() and "gone.png" in tab.says()
        tab.press("Escape")
        assert tab.labels() == {"000.png": 'a, "b"', "001.png": "ß猫"}
        tab.load("theirs.csv", "file,label\n000.png,c\n001.png,d\n002.png,d\n")
        assert "2 disagreements" in tab.says()
        tab.tab.locator(".differ", has_text="001.png").get_by_label("file: d").check()
        tab.tab.get_by_role("button", name="Merge").click()
        assert tab.labels() == {"000.png": 'a, "b"', "001.png": "d", "002.png": "d"}
        tab.press("Backspace")
        assert len(tab.labels()) == 2


# --- odd piles

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "</script><script>window.hacked=1</script>.png",
    "'\"><svg onload=alert(1)>",
    "=cmd|x.png",
    "a,b\n\"c\".png",
    "猫/ネコ.png",
    "../../etc/passwd",
    "%3Cscript%3E",
]


def test_names_that_would_run_stay_text(tmp_path, digits, chromium):
    pile, _ = digits
    odd = Pile(HOSTILE, pile.x[:8], pile.h[:8], "<script>alert(1)</script>")
    with opened(chromium, write(tmp_path, odd)) as tab:
        assert tab.tab.locator("h1").inner_text() == odd.title
        tab.name("<img src=x onerror=window.hacked=1>")
        for view in "QCMG":
            tab.press(f"Shift+{view}")
        tab.load("x.csv", "file,label\n<b>,<script>window.hacked=1</script>\n")
        assert "<b>" in tab.says()
        tab.press("Escape")
        assert tab.tab.evaluate("window.hacked") is None
        assert tab.tab.locator("script").count() == 2 and tab.tab.locator("img, svg, b").count() == 0
        files = tab.labels()
        assert set(files) <= set(map(csv_cell, HOSTILE)) and set(files.values()) == {
            "<img src=x onerror=window.hacked=1>"
        }


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_images(tmp_path, digits, chromium, n):
    pile, _ = digits
    few = Pile(pile.names[:n], pile.x[:n], pile.h[:n])
    with opened(chromium, write(tmp_path, few)) as tab:
        for view in "MQCG":
            tab.press(f"Shift+{view}")
        while tab.tab.locator(".group:not(.named)").count():
            tab.name("a")
        assert len(tab.labels()) == n


def test_all_images_equal(tmp_path, digits, chromium):
    pile, _ = digits
    same = Pile(pile.names[:40], pile.x[:1].repeat(40, 1, 1, 1), torch.ones(40, 8))
    with opened(chromium, write(tmp_path, same)) as tab:
        tab.tab.get_by_role("button", name="Split").first.click()
        for view in "MQCG":
            tab.press(f"Shift+{view}")
        tab.name("a")
        assert len(tab.labels()) == 40


def test_a_large_pile_is_drawn_and_says_so(tmp_path, chromium):
    rng = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (12_000, 1, 8, 8), generator=rng).byte()
    pile = Pile([f"{i}.png" for i in range(12_000)], x, torch.randn(12_000, 8, generator=rng))
    file = write(tmp_path, pile.drawn(10_000), groups=100)
    with opened(chromium, file) as tab:
        assert "10,000 images drawn at random of 12,000" in tab.tab.locator(".foot").inner_text()
        tab.name("a")
        tab.press("Shift+M", "Shift+Q", "Shift+C", "Shift+G")
        assert "of 10,000 images" in tab.progress()
        assert len(tab.labels()) > 10


def test_a_page_of_real_size_is_small(digits):
    pile, _ = digits
    x = torch.nn.functional.interpolate(pile.x.float(), 28, mode="bilinear").byte().repeat(10, 1, 1, 1)
    told = label_page._sheets(label_page.tiles_of(x))
    assert sum(map(len, told["sheets"])) * (10_000 / len(x)) < 12e6


# --- light, dark, phone, screen readers


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways_and_text_can_be_read(page, chromium, scheme, width):
    how = dict(viewport=dict(width=width, height=844), color_scheme=scheme, has_touch=width < 500)
    with opened(chromium, page, **how) as tab:
        tab.name("a class with a rather long name")
        tab.name("b")
        for view in "GMQC":
            tab.press(f"Shift+{view}")
            assert tab.tab.evaluate(browse_site.SIDEWAYS) is None, view
            assert tab.tab.evaluate(CONTRAST) == [], view


CONTRAST = """() => {
  const channels = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = channels(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > .5) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('.head *, .classes *, .hint, .meta, .soft, .foot p, h3')]
    .filter(e => e.offsetParent && !e.disabled && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => [e.textContent.slice(0, 30), light(channels(getComputedStyle(e).color)), light(ground(e))])
    .map(([text, a, b]) => [text, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)]).filter(([, ratio]) => ratio < 4.5);
}"""


def test_a_screen_reader_gets_names_and_news(page, chromium):
    with opened(chromium, page) as tab:
        tab.name("zero")
        assert tab.tab.get_by_role("status").inner_text().endswith("zero")
        assert tab.tab.get_by_role("tab", selected=True).inner_text() == "Groups"
        assert "labelled zero" in tab.tab.locator(".group.named .tile").first.get_attribute("aria-label")
        named = "(b.hidden || b.getAttribute('aria-label') || b.textContent || b.title)"
        unnamed = f"all => all.filter(b => !{named}).length"
        for view in "GMQC":
            tab.press(f"Shift+{view}")
            assert tab.tab.eval_on_selector_all("button, input, select, canvas", unnamed) == 0, view


# --- the command


@pytest.fixture
def folder(tmp_path):
    "Twelve digits as files, one as a folder of its own, and twelve equal ones in a folder with an odd name"
    from PIL import Image

    x = load_data("digits").train.x[:12, 0].numpy()
    for name, images in dict(pile=x, one=x[:1], none=[x[0]] * 12).items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_command(folder):
    done = command("label", "pile", "--classes", "zero, one", "--quiet", cwd=folder)
    assert done.returncode == 0 and "it holds the pictures" in done.stdout, done.stdout + done.stderr
    assert told_by(folder / "label.html")["classes"] == ["zero", "one"]
    assert told_by(folder / "label.html")["names"][2] == "2.png"
    for words, says in (
        (["gone"], "there is nothing at gone"),
        (["pile", "--classes", "a,a"], "names a class twice"),
        (["pile", "--n-images", "0"], "n_images = 0"),
        (["pile", "--out", "pile"], "is a folder"),
        (["label.html"], "neither a run folder nor"),
    ):
        done = command("label", *words, cwd=folder)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr


def told_by(page):
    "The payload of a page"
    return json.loads(page.read_text().split('id="payload">')[1].split("</script>")[0])


def test_one_image_equal_images_and_a_part(folder):
    for name, n in (("one", 1), ("none", 12)):
        done = command("label", name, "--quiet", "--out", f"{name}.html", cwd=folder)
        assert done.returncode == 0 and len(told_by(folder / f"{name}.html")["names"]) == n, done.stderr
    done = command("label", "pile", "--quiet", "--n-images", "5", cwd=folder)
    assert "5 of 12 images drawn at random" in done.stderr
    assert told_by(folder / "label.html")["of"] == 12


def test_a_full_disk_leaves_the_page_that_was_there(folder):
    (folder / "label.html").write_text("<title>ssl_nb: mine")
    limited = (
        "import resource as r, sys; r.setrlimit(r.RLIMIT_FSIZE, (9999, 9999)); from ssl_nb.cli import main; "
    )
    done = code(limited + "sys.exit(main(['label', 'pile', '--quiet']))", cwd=folder)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert (folder / "label.html").read_text() == "<title>ssl_nb: mine"
    assert {p.name for p in folder.iterdir()} == {"pile", "one", "none", "label.html"}


def test_labels_do_not_belong_together(digits):
    pile, _ = digits
    with pytest.raises(SslNbError, match="do not belong together"):
        Pile(pile.names[:3], pile.x, pile.h)


# --- the scripted user


def test_scripted_user(page, digits, chromium):
    acc, actions = label_actions.measure(page, digits[1], 60, chromium)
    assert actions <= 60 and acc >= 0.9


# --- in a notebook

MODEL = """
const state = { payload: document.getElementById('payload').textContent, state: '' }
const listeners = []
window.model = {
  get: name => state[name],
  set: (name, value) => { state[name] = value },
  save_changes: () => { window.saved = state.state },
  on: (name, listen) => listeners.push(listen),
  off: () => {},
  fromPython: value => { state.state = value; listeners.forEach(listen => listen()) },
}
render({ model: window.model, el: document.getElementById('cell') })
"""


def test_the_widget_keeps_its_state_in_python(tmp_path, digits, chromium):
    pile, true = digits
    lab = Labeller(pile, groups=20)
    again = Labeller(pile, labels=true, groups=20)
    page = tmp_path / "cell.html"
    script, style = (label_page._asset(f"label.{kind}") for kind in ("js", "css"))
    data = lab.widget.payload.replace("<", "\\u003c")
    page.write_text(
        f"<meta charset=utf-8><style>{style}</style><div id=cell></div>"
        f"<script type=application/json id=payload>{data}</script><script type=module>{script}{MODEL}</script>"
    )
    assert (lab.labels, lab.classes, set(lab.y)) == ({}, [], {-1})
    with chromium.new_context() as context:
        tab = context.new_page()
        faults = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(page.as_uri())
        tab.locator(".group.current input").fill("zero")
        tab.keyboard.press("Enter")
        lab.widget.state = tab.evaluate("window.saved")
        n = len(lab.labels)
        assert (
            n > 1
            and set(lab.labels.values()) == {"zero"}
            and tab.locator(".progress").inner_text().startswith(f"{n} of")
        )
        tab.evaluate("state => window.model.fromPython(state)", again.widget.state)
        assert tab.locator(".progress").inner_text().startswith("160 of")
        assert again.labels == true and again.classes == sorted(set(true.values())) and faults == []


def test_labels_of_other_images_are_refused(digits):
    with pytest.raises(SslNbError, match="1 images that are not here, for example gone.png"):
        Labeller(digits[0], labels={"gone.png": "x"})
