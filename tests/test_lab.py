"The labelling widget in a real JupyterLab: a scripted user's keys and clicks, and what Python has of them."

import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import browse_site
import label_actions
from conftest import surroundings

IMAGES = """\
import json
import torch
from ssl_nb import Labeller
from ssl_nb.data import load_data
from ssl_nb.deepclustering import all_images
from ssl_nb.label_page import Pile
im = all_images(load_data("digits"))[torch.arange(160)]
names = [f"{i:03}.png" for i in range(160)]
true = dict(zip(names, (im.classes[c] for c in im.y)))
pile = Pile(names, im.x, im.x.flatten(1).float(), "digits")
lab = Labeller(pile, groups=20)
lab"""
WRITE = """\
with open("found.json", "w") as file:
    json.dump(dict(labels=lab.labels, true=true), file)"""
AGAIN = "Labeller(pile, groups=20)"
FROM_PYTHON = "lab.widget.state = Labeller(pile, labels=true).widget.state"
CELLS = "all => all.map(cell => cell.className.match(/jp-(Code|Markdown|Raw)Cell/)[1])"


def notebook(*sources):
    "A notebook of code cells"
    more = dict(metadata={}, outputs=[], execution_count=None)
    cells = [dict(cell_type="code", id=f"cell-{i}", source=text, **more) for i, text in enumerate(sources)]
    kernel = dict(name="python3", display_name="Python 3", language="python")
    return json.dumps(dict(nbformat=4, nbformat_minor=5, metadata=dict(kernelspec=kernel), cells=cells))


def share_of(name):
    "The `share/jupyter` of an installed package, which is not that of this environment if its packages are linked"
    found = distribution(name)
    file = next(file for file in found.files if "labextensions" in file.parts)
    parts = Path(found.locate_file(file)).resolve().parts
    return Path(*parts[: parts.index("labextensions")])


def lab_environment(home):
    "What a JupyterLab sees that has only what is installed here, and a home of its own"
    mine = {name: v for name, v in surroundings().items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    share = share_of("anywidget")
    more = dict(HOME=str(home), USERPROFILE=str(home), JUPYTER_PATH=str(share), OMP_NUM_THREADS="1")
    return mine | more | dict(JUPYTERLAB_DIR=str(share.parent / "jupyter" / "lab"))


@contextmanager
def jupyter(home):
    "The address of a JupyterLab on a free port, which shows the files in `home`"
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token=secret"]
    command = [sys.executable, "-m", "jupyterlab", *words, "--ServerApp.terminals_enabled=False"]
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, cwd=home, env=lab_environment(home), stdout=log, stderr=log)
        try:
            yield address(home, server)
        finally:
            server.terminate()
            server.wait()


def address(home, server, patience=60):
    "Where the server says that it listens"
    end = time.monotonic() + patience
    while time.monotonic() < end and server.poll() is None:
        for file in home.rglob("jpserver-*.json"):
            try:
                return json.loads(file.read_text())["url"]
            except ValueError:  # not written to its end
                pass
        time.sleep(0.1)
    raise AssertionError((home / "log.txt").read_text()[-3000:])


class Notebook:
    "A notebook in a tab"

    def __init__(self, tab, url):
        self.tab = tab
        tab.goto(f"{url}lab/tree/walk.ipynb?token=secret")
        self.cells = tab.locator(".jp-Notebook .jp-Cell")
        self.cells.first.wait_for()

    def run(self, number):
        "Run a cell as a user does, who tries again when nothing happens, as before there is a kernel"
        prompt = self.cells.nth(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        for attempt in range(60):
            self.cells.nth(number).locator(".cm-content").click()
            self.tab.keyboard.press("Control+Enter")
            self.tab.wait_for_timeout(500)
            if prompt.inner_text() != before and re.search(r"[\d*]", prompt.inner_text()):
                return
        raise AssertionError(f"cell {number} does not run")

    def page(self, number):
        "The widget below a cell"
        return self.cells.nth(number).locator(".ssl-nb-label")

    def progress(self, number, says):
        self.page(number).locator(".progress", has_text=says).wait_for()


def wait_for(file, patience=60):
    "What a cell writes to a file, which goes"
    end = time.monotonic() + patience
    while not (file.exists() and file.read_text().endswith("}")):
        assert time.monotonic() < end, f"{file.name} was not written"
        time.sleep(0.05)
    found = json.loads(file.read_text())
    file.unlink()
    return found


def label_with_keys(book, home):
    "Keys and clicks reach the widget, and no cell; the labels are in Python"
    book.run(1)
    true = wait_for(home / "found.json")["true"]
    cells = book.cells.evaluate_all(CELLS)
    book.page(0).locator(".group.current h3").click()
    assert label_actions.work(book.tab, true, 60) <= 60
    for key in ["b", "d", "d", "x", "Shift+M", "m", "Escape", "Shift+Q", "Space", "Backspace", "Shift+G"]:
        book.tab.keyboard.press(key)  # most of them change cells when they are the notebook's
    assert book.tab.evaluate("document.activeElement.closest('.ssl-nb-label') !== null")
    assert book.cells.evaluate_all(CELLS) == cells
    book.run(1)
    labels = wait_for(home / "found.json")["labels"]
    assert sum(labels.get(file) == name for file, name in true.items()) >= 0.9 * len(true)
    book.progress(0, f"{len(labels)} of 160")


def show_again(book):
    "A new widget finds the labels of the last one; those set in Python are shown at once"
    said = book.page(0).locator(".progress").inner_text()
    book.run(2)
    book.progress(2, said)
    book.run(3)
    book.progress(0, "160 of 160")


def change_theme(book):
    "The widget is as dark as the notebook"
    dark = "want => document.querySelector('.ssl-nb-label').classList.contains('dark') === want"
    book.tab.wait_for_function(dark, arg=False)
    book.tab.get_by_role("menuitem", name="Settings").click()
    book.tab.locator(".lm-Menu-item", has_text="Theme").first.hover()
    book.tab.locator(".lm-Menu-item", has_text="JupyterLab Dark").first.click()
    book.tab.wait_for_function(dark, arg=True)


def test_the_widget_in_jupyterlab(tmp_path, chromium):
    (tmp_path / "walk.ipynb").write_text(notebook(IMAGES, WRITE, AGAIN, FROM_PYTHON))
    how, faults = dict(viewport=dict(width=1280, height=900), color_scheme="light"), []
    with jupyter(tmp_path) as url, chromium.new_context(**how) as context:
        tab = context.new_page()
        tab.set_default_timeout(browse_site.TIMEOUT)
        tab.on("pageerror", lambda error: faults.append(str(error)))
        book = Notebook(tab, url)
        book.run(0)
        book.page(0).locator(".group.current").wait_for()
        label_with_keys(book, tmp_path)
        show_again(book)
        change_theme(book)
    assert faults == []
