"""Build the documentation site in _docs.

With Quarto on PATH nbdev-docs does it. Without, nbdev processes the notebooks and smalldocs renders the pages, and
the result loads nothing from the network. Any warning, dead link or other fault ends the build with status 1.
"""

import argparse
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from math_core import LatexError, LatexToMathML
from nbdev.config import get_config
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from smalldocs.check import scan
from smalldocs.site import build

from anchors import give_anchors
from check_quarto import figure_texts
from check_site import faults
from touch_model import copy_touch
from twins import write_twins

TOOLS = Path(__file__).resolve().parent
MATH = re.compile(r'<span class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.S)
MATH_LOADER = re.compile(r'<(?:link|script)[^>]*(?:katex|mathjax|polyfill)[^>]*>(?:</script>)?', re.I)
REMOTE_FONT = re.compile(r'@import\s*url\(["\']?https?:[^)]*\);?')


def page_names(folder):
    "The page name that each notebook in `folder` asks for with `output-file`: 00_data.ipynb -> data.ipynb"
    names = {}
    for path in folder.rglob("*.ipynb"):
        first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
        name = re.search(r"^output-file: (\S+)$", first, re.M)
        if name:
            names[path.name] = Path(name[1]).with_suffix(".ipynb").name
    return names


def relinked(text, names, site_url):
    "Markdown `text` whose links lead to the renamed pages, and within the site instead of to `site_url`"
    text = re.sub(re.escape(site_url) + r"/([\w-]+\.html)", r"\1", text)
    return re.sub(r'(?<=\]\()([\w-]+\.ipynb)(?=[)#"\s])', lambda m: names.get(m[1], m[1]), text)


def figure(output, caption, alt):
    "The picture in `output` as HTML, at the size at which it was drawn"
    size = "".join(
        f' {key}="{value}"'
        for key, value in output["metadata"].get("image/png", {}).items()
        if key in ("width", "height")
    )
    data = "".join("".join(output["data"]["image/png"]).split())
    image = f'<img src="data:image/png;base64,{data}" class="img-fluid figure-img" alt="{html.escape(alt)}"{size}>'
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    whole = f'<figure class="figure"><p>{image}</p>{below}</figure>'
    return f'<div class="quarto-figure quarto-figure-center">{whole}</div>'


def stage_notebook(path, names, site_url):
    "Rename the notebook at `path` to its page name, mend its links, and put its pictures into figures"
    nb = json.loads(path.read_text(encoding="utf-8"))
    for cell in nb["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "raw":
            source = re.sub(r"^output-file: \S+\n", "", source, flags=re.M)
        if cell["cell_type"] == "markdown":
            source = relinked(source, names, site_url)
        if cell["cell_type"] == "code":
            for i, texts in figure_texts(cell).items():
                cell["outputs"][i]["data"] = {"text/html": figure(cell["outputs"][i], *texts)}
        cell["source"] = source
        for output in cell.get("outputs", []):
            markdown = output.get("data", {}).get("text/markdown")
            if markdown:
                output["data"]["text/markdown"] = relinked("".join(markdown), names, site_url)
    path.unlink()
    path.with_name(names.get(path.name, path.name)).write_text(json.dumps(nb), encoding="utf-8")


def stage_settings(path, names):
    "Give the settings in `path` the new page names, and say in smalldocs' words what it reads differently from Quarto"
    text = path.read_text(encoding="utf-8")
    for old, new in names.items():
        text = re.sub(rf"\b{re.escape(old)}$", new, text, flags=re.M)
    settings = yaml.safe_load(text)
    settings["project"]["output-dir"] = "_site"
    settings.get("format", {}).pop("commonmark", None)
    page = settings.get("format", {}).get("html", {})
    page.pop("respect-user-color-scheme", None)  # it always does
    if "grid" in page:
        page["max-width"] = page.pop("grid")["body-width"]
    settings.pop("format-links", None)
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


def stage(processed, folder, site_url):
    "Copy nbdev's `processed` notebooks to `folder`, ready for smalldocs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(processed, folder, ignore=shutil.ignore_patterns("_docs"))
    names = page_names(folder)
    for path in sorted(folder.rglob("*.ipynb")):
        stage_notebook(path, names, site_url)
    for name in ("_quarto.yml", "nbdev.yml"):
        stage_settings(folder / name, names)


def render_math(page, convert):
    "`page` with its formulas as MathML, which browsers draw by themselves, and without the scripts that draw others"
    page = MATH.sub(lambda m: convert(html.unescape(m[2]), displaystyle=m[1] == "display"), page)
    return MATH_LOADER.sub("", page)


def finish(site):
    "Draw the formulas of all pages, and drop the fonts that themes would load from the network"
    convert = LatexToMathML(fancy_error=False).convert_with_local_state
    for path in site.rglob("*.html"):
        try:
            page = render_math(path.read_text(encoding="utf-8"), convert)
        except LatexError as error:
            sys.exit(f"{path.name}: a formula cannot be drawn: {error}")
        path.write_text(page, encoding="utf-8")
    for path in site.rglob("*.css"):
        path.write_text(REMOTE_FONT.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")


def touch_pictures(notebooks, site):
    "The pictures of the pages to touch, for readers without scripts"
    for path in (notebooks / "images").glob("touch-*.png"):
        shutil.copy(path, site / "images")


def prepare_workers():
    "Let nbdev's workers find docproc, and stop at a cell that mixes imports with code that a build should not run"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH")]))
    os.environ["PYTHONWARNINGS"] = "error:Found cells containing imports"


def build_with_quarto(config):
    "nbdev's own way; its cache looks at the notebooks alone, so it is emptied first"
    shutil.rmtree(config.config_path / "_proc", ignore_errors=True)
    status = subprocess.run([Path(sys.executable).with_name("nbdev-docs")], cwd=config.config_path).returncode
    if status:
        sys.exit(status)
    return []


def processed_notebooks():
    "The folder of notebooks that nbdev has made ready for rendering"
    try:
        return proc_nbs(force=True, n_workers=min(4, os.cpu_count() or 1))
    except Exception as error:
        sys.exit(f"the notebooks could not be made ready: {error}")


def build_offline(config):
    "Without Quarto; returns the renderer's warnings"
    refresh_quarto_yml()
    folder = config.config_path / "_proc_site"
    stage(processed_notebooks(), folder, config.doc_url.rstrip("/"))
    site = build(folder, quiet=True)
    notes = [f"{page.src}: {note}" for page in site.pages.values() for _, note in scan(page.body)]
    shutil.rmtree(config.doc_path, ignore_errors=True)
    shutil.move(folder / "_site", config.doc_path)
    return site.warnings + notes


def main():
    "Build, finish and check the site; returns the exit status"
    parser = argparse.ArgumentParser(description="Build the documentation site in _docs.")
    parser.add_argument("--offline", action="store_true", help="do not use Quarto even where it is installed")
    offline = parser.parse_args().offline or not shutil.which("quarto")
    prepare_workers()
    config = get_config()
    problems = build_offline(config) if offline else build_with_quarto(config)
    finish(config.doc_path)
    give_anchors(config.doc_path)
    copy_touch(config.doc_path)
    touch_pictures(config.nbs_path, config.doc_path)
    processed = config.config_path / "_proc"
    write_twins(
        processed, config.doc_path, config.doc_url.rstrip("/"), f"# {config.title}\n\n> {config.description}"
    )
    problems += faults(config.doc_path, offline)
    for line in problems:
        print("warning:", line, file=sys.stderr)
    print(
        f"{len(list(config.doc_path.glob('*.html')))} pages in {config.doc_path.name}, {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
