"""A Markdown twin beside each page of the site, and llms.txt, the list of them.

What a program reads, or a person in a terminal: prose, code and what it printed; of a picture its caption.
"""

import json
import re
from pathlib import Path

import yaml

from check_quarto import cell_options, fenced, figure_texts

FRONT = re.compile(r"^---\n(.*?)\n---\n", re.S)
DIVS = re.compile(r"^(:::.*|<!-- WARNING.*-->)\n", re.M)
BEFORE_SOURCE = re.compile(r'\{target="_blank"[^}]*\}')


def said(output, texts):
    "Markdown lines of one output of a code cell"
    data = output.get("data", {})
    if "text/markdown" in data:
        return ["".join(data["text/markdown"]), ""]
    if "image/png" in data:
        return [f"*Picture: {' '.join(filter(None, texts or ())) or 'without a caption'}*", ""]
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip("\n")
    return fenced(text, "") if text else []


def lines_of(cell):
    "Markdown lines of one cell"
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source, ""]
    options, texts = cell_options(cell), figure_texts(cell)
    code = re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n")
    shown = code and options.get("echo", True)
    lines = fenced(code, "python") if shown else []
    return [
        *lines,
        *(line for i, output in enumerate(cell["outputs"]) for line in said(output, texts.get(i))),
    ]


def relinked(text, pages, site_url):
    "The text whose links to pages lead to their twins"
    text = re.sub(rf"\]\({re.escape(site_url)}/([\w-]+\.html)(#[^)\s]*)?", r"](\1.md\2", text)
    names = "|".join(map(re.escape, pages))
    return re.sub(rf"\]\(({names})(#[^)\s]*)?", lambda m: f"]({pages[m[1]]}.md{m[2] or ''}", text)


def page_of(notebook, path):
    "(name of its page, title, description) of a staged notebook"
    found = FRONT.match("".join(notebook["cells"][0]["source"]))
    front = yaml.safe_load(found[1]) if found else {}
    return (
        front.get("output-file", f"{path.stem}.html"),
        front.get("title", path.stem),
        front.get("description", ""),
    )


def twin(notebook, title, description):
    "The Markdown of a staged notebook"
    lines = [line for cell in notebook["cells"] for line in lines_of(cell)]
    text = FRONT.sub("", "\n".join(lines), count=1)
    text = BEFORE_SOURCE.sub("", DIVS.sub("", text))
    return f"# {title}\n\n> {description}\n\n{text.strip()}\n"


def write_twins(processed, site, site_url, about):
    "Write PAGE.html.md for each notebook in `processed`, and llms.txt, into the folder `site`"
    notebooks = {
        p: json.loads(p.read_text(encoding="utf-8")) for p in sorted(Path(processed).glob("*.ipynb"))
    }
    known = {path: page_of(notebook, path) for path, notebook in notebooks.items()}
    pages = {path.name: name for path, (name, _, _) in known.items()}
    for path, notebook in notebooks.items():
        name, title, description = known[path]
        text = relinked(twin(notebook, title, description), pages, site_url)
        (Path(site) / f"{name}.md").write_text(text, encoding="utf-8")
    listed = [f"- [{title}]({name}.md): {description}" for name, title, description in known.values()]
    (Path(site) / "llms.txt").write_text(
        "\n".join([about, "", "## Pages", "", *listed, ""]), encoding="utf-8"
    )
