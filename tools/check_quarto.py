"""Faults in what Quarto is given: `python tools/check_quarto.py _proc` prints a line for each.

nbdev stages the notebooks in _proc on the way to either renderer. Quarto turns each into one Markdown text for
pandoc; so is done here, with pandoc alone: its warnings count, and so does prose that it reads as something else than
was meant. Keys that Quarto does not know it would ignore.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pypandoc
import yaml


def values(*names):
    "Keys whose values have no keys of their own"
    return dict.fromkeys(names)


# Keys that we may use, a part of those that Quarto knows. Source: https://quarto.org/docs/reference, which is made
# from src/resources/schema in quarto-dev/quarto-cli: project.yml, definitions.yml (base-website,
# navigation-item-object, sidebar-contents), document-*.yml and cell-*.yml.
ITEM = values("text", "href", "icon", "aria-label", "rel", "target", "section", "auto")
ITEM |= {"menu": ITEM, "contents": ITEM}
FORMAT = values(
    "css",
    "toc",
    "toc-depth",
    "toc-title",
    "toc-location",
    "toc-expand",
    "number-sections",
    "anchor-sections",
    "smooth-scroll",
    "page-layout",
    "code-fold",
    "code-summary",
    "code-overflow",
    "code-copy",
    "code-line-numbers",
    "highlight-style",
    "syntax-highlighting",
    "fig-align",
    "fig-width",
    "fig-height",
    "fig-responsive",
    "lightbox",
    "link-external-icon",
    "link-external-newwindow",
    "respect-user-color-scheme",
    "embed-resources",
) | {
    "theme": values("light", "dark"),
    "grid": values("sidebar-width", "body-width", "margin-width", "gutter-width"),
    "html-math-method": values("method", "url"),
    "format-links": values("format", "text", "href", "icon", "order"),
}
EXECUTE = values("enabled", "eval", "echo", "output", "warning", "error", "include", "freeze", "cache")
PAGE = (
    FORMAT
    | {"execute": EXECUTE}
    | values(
        "title",
        "subtitle",
        "description",
        "author",
        "date",
        "image",
        "categories",
        "order",
        "output-file",
        "aliases",
        "lang",
    )
)
CELL = (
    EXECUTE
    | FORMAT
    | values("label", "fig-cap", "fig-alt", "fig-subcap", "tbl-cap", "layout-ncol", "column")
    | values("exports")
)  # the last is nbdev's
SITE = FORMAT | {
    "project": values(
        "type",
        "title",
        "render",
        "output-dir",
        "lib-dir",
        "execute-dir",
        "resources",
        "pre-render",
        "post-render",
    ),
    "format": {"html": FORMAT, "commonmark": FORMAT},
    "website": values(
        "title",
        "description",
        "favicon",
        "site-url",
        "site-path",
        "repo-url",
        "repo-branch",
        "repo-subdir",
        "repo-actions",
        "issue-url",
        "reader-mode",
        "body-header",
        "body-footer",
        "margin-header",
        "margin-footer",
        "page-navigation",
        "back-to-top-navigation",
        "bread-crumbs",
        "image",
        "open-graph",
        "twitter-card",
    )
    | {
        "search": values(
            "location",
            "type",
            "limit",
            "collapse-after",
            "copy-button",
            "keyboard-shortcut",
            "show-item-context",
        ),
        "navbar": values(
            "title",
            "logo",
            "logo-alt",
            "logo-href",
            "background",
            "foreground",
            "search",
            "pinned",
            "collapse",
            "collapse-below",
            "toggle-position",
        )
        | {"left": ITEM, "right": ITEM},
        "sidebar": values(
            "id",
            "title",
            "logo",
            "search",
            "background",
            "foreground",
            "style",
            "border",
            "alignment",
            "collapse-level",
            "pinned",
            "header",
            "footer",
        )
        | {"contents": ITEM, "tools": ITEM},
        "page-footer": values("background", "foreground", "border")
        | {"left": ITEM, "center": ITEM, "right": ITEM},
    },
    "execute": EXECUTE,
    "metadata-files": None,
    "lang": None,
}
CALLOUTS = {f"callout-{kind}" for kind in ("note", "tip", "important", "warning", "caution")}
GLUED = re.compile(
    r"([-*+]|\d+[.)]|#{1,6}) |\||>|:::|```"
)  # what begins a list, heading, table, quote, div or fence


def unknown_keys(settings, known, place=""):
    "Full names of the keys in `settings`, at any depth, that are not in `known`"
    for item in settings if isinstance(settings, list) else [settings]:
        for key, below in item.items() if isinstance(item, dict) else ():
            if key in known:
                yield from unknown_keys(below, known[key] or {}, f"{place}{key}.")
            else:
                yield f"{place}{key}"


def fenced(text, opening, inner=()):
    "Lines of a fence around `text`, longer than any within"
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", text))])
    return [f"{ticks}{opening}", text, ticks, "", *inner]


def cell_options(cell):
    "The options at the top of a code cell, as Quarto reads them"
    lines = re.findall(r"^#\| ?(.*)$", "".join(cell["source"]), re.M) if cell["cell_type"] == "code" else []
    return yaml.safe_load("\n".join(lines)) or {}


def figure_texts(cell):
    """{number of an output: (caption, alternative text)} for each picture of a code cell

    Quarto counts captions by picture and alternative texts by output."""
    options = cell_options(cell)
    captions, alts = options.get("fig-cap", []), options.get("fig-alt", "")
    pictures = [i for i, output in enumerate(cell["outputs"]) if "image/png" in output.get("data", {})]
    if isinstance(captions, str):
        captions = [captions]
    if isinstance(alts, str):
        alts = [alts] * len(cell["outputs"])
    return {
        i: (captions[n] if n < len(captions) else "", alts[i] if i < len(alts) else "")
        for n, i in enumerate(pictures)
    }


def output_lines(output, texts):
    "Markdown lines that Quarto makes of one output; `texts` are caption and alternative text of a picture"
    data = output.get("data", {})
    if "text/markdown" in data:
        return ["".join(data["text/markdown"]), ""]
    if "text/html" in data:
        return fenced("".join(data["text/html"]), "{=html}")
    if "image/png" in data:
        return ["![{}](figure.png){{fig-alt='{}'}}".format(texts[0], texts[1].replace("'", "\\'")), ""]
    return [
        "::: {.cell-output}",
        *fenced("".join(output.get("text", data.get("text/plain", ""))), ""),
        ":::",
        "",
    ]


def cell_lines(cell):
    "Markdown lines that Quarto makes of one cell"
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source, ""]
    texts = figure_texts(cell)
    lines = fenced(
        source,
        "{.python .cell-code}",
        [line for i, output in enumerate(cell["outputs"]) for line in output_lines(output, texts.get(i))],
    )
    return ["::: {.cell}", *lines, ":::", ""]


def markdown(notebook):
    "The Markdown that Quarto makes of a notebook"
    return "\n".join(line for cell in notebook["cells"] for line in cell_lines(cell))


def pandoc(text, *options):
    "What pandoc makes of Markdown `text`, and its warnings"
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--from=markdown", *options],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return done.stdout, [
        " ".join(warning.split())
        for warning in re.split(r"^\[WARNING\] ", done.stderr, flags=re.M)
        if warning.strip()
    ]


def elements(node):
    "All elements of pandoc's tree, from the outside in"
    if isinstance(node, dict):
        if "t" in node:
            yield node
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from elements(child)


def lines_of(inlines):
    "The lines in which a paragraph was written, code and formulas left out"
    line = ""
    for inline in inlines:
        if inline["t"] in ("SoftBreak", "LineBreak"):
            yield line
            line = ""
        else:
            line += {"Str": inline.get("c"), "Space": " "}.get(inline["t"], "\0")
    yield line


def misread(element):
    "What pandoc took `element` for, if that can hardly be meant"
    kind, content = element["t"], element.get("c")
    if kind == "Cite":
        yield from (f"@{cited['citationId']} is read as a citation" for cited in content[0])
    elif kind == "Div":
        yield from (
            f"no such callout: {name}"
            for name in content[0][1]
            if name.startswith("callout-") and name not in CALLOUTS
        )
    elif kind == "Str":
        yield from (f"{mark} is read as text" for mark in ("$$", ":::", "{{<") if mark in content)
    elif kind in ("Para", "Plain"):
        glued = [line for line in list(lines_of(content))[1:] if GLUED.match(line)][:1]
        yield from (f"no empty line before it: {line[:40]}".replace("\0", "…") for line in glued)


def notebook_faults(notebook):
    "One line for each fault of a staged notebook"
    text = markdown(notebook)
    front = re.match(r"---\n(.*?)\n---\n", text, re.S)
    yield from (f"unknown key {key}" for key in unknown_keys(yaml.safe_load(front[1]) if front else {}, PAGE))
    yield from (
        f"unknown cell option {key}"
        for cell in notebook["cells"]
        for key in unknown_keys(cell_options(cell), CELL)
    )
    tree, warnings = pandoc(text, "--to=json")
    yield from warnings or pandoc(text, "--to=html", "--mathml")[1]
    yield from dict.fromkeys(
        fault for element in elements(json.loads(tree)["blocks"]) for fault in misread(element)
    )  # captions stand there twice


def faults(folder):
    "One line for each fault of the staged site in `folder`"
    notebooks, found = sorted(Path(folder).glob("*.ipynb")), []
    if not notebooks:
        return [f"{folder}: has no notebooks"]
    for path in sorted(Path(folder).glob("*.yml")):
        found += [
            f"{path.name}: unknown key {key}"
            for key in unknown_keys(yaml.safe_load(path.read_text(encoding="utf-8")), SITE)
        ]
    for path in notebooks:
        found += [
            f"{path.name}: {fault}" for fault in notebook_faults(json.loads(path.read_text(encoding="utf-8")))
        ]
    return found


if __name__ == "__main__":
    lines = faults(Path(sys.argv[1] if len(sys.argv) > 1 else "_proc"))
    sys.exit("\n".join(lines) or 0)
