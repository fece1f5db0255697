"README.md from nbs/index.ipynb, with the addresses that stand in pyproject.toml. `--check` only compares."

import json
import re
import sys

from nbdev.config import get_config, nbpath2html

from docproc import BADGE, colab_url, filled

NOTE = "<!-- made from nbs/index.ipynb by `make readme`: edit the notebook -->"
COLAB_START = "start.ipynb"
CALLOUT = re.compile(
    r"^::: *\{\.callout-(note|tip|important|warning|caution)[^}]*\}\n(.*?)\n:::$", re.S | re.M
)
HIDDEN = re.compile(r"^#\| *(hide\b|include: *false)", re.M)


def alert(match):
    "A Quarto callout as an alert of GitHub"
    lines = re.sub(
        r"^#+ +(.*)$", r"**\1**\n", match[2].strip(), count=1, flags=re.M
    ).splitlines()  # an alert has no title of its own
    return "\n".join([f"> [!{match[1].upper()}]", *(f"> {line}".rstrip() for line in lines)])


def page_url(name):
    "The page of the notebook `name` on the documentation site"
    return "{documentation}/" + nbpath2html(name).name


def prose(text):
    "A prose cell whose callouts, pictures and links work outside the site"
    text = CALLOUT.sub(alert, text)
    text = re.sub(r"^::: *(\{[^}]*\})?\n?", "", text, flags=re.M)
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)([^)\s]+)([^)]*\))(\{[^}]*\})?", r"\1nbs/\2\3", text)
    text = re.sub(r"(?<=\]\()(touch/[\w-]+\.html)(?=\))", r"{documentation}/\1", text)
    text = re.sub(r"(?<=\]\()([\w-]+\.ipynb)(?=[)#])", lambda m: page_url(m[1]), text)
    return filled(text.replace("](../", "]("))


def table(html):
    "The data frame in `html` as a Markdown table"
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S) for row in re.findall(r"<tr.*?</tr>", html, re.S)
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]])


def shown_output(output):
    "One output of a code cell as Markdown; pictures are left out"
    data = output.get("data", {})
    if "image/png" in data:
        return ""
    if 'class="dataframe"' in "".join(data.get("text/html", "")):
        return table("".join(data["text/html"]))
    if "text/markdown" in data:
        return "".join(data["text/markdown"]).rstrip()
    text = "".join(output.get("text") or data.get("text/plain", "")).rstrip()
    return f"```\n{text}\n```" if text else ""


def code(cell):
    "A code cell, unless it hides its source, with its output"
    source = "".join(cell["source"]).strip()
    lines = "\n".join(line for line in source.splitlines() if not line.startswith("#|"))
    block = "" if re.search(r"^#\| *echo: *false", source, re.M) else f"```python\n{lines}\n```"
    return "\n\n".join(filter(None, [block, *map(shown_output, cell["outputs"])]))


def badges(config):
    "The line of badges under the title"
    docs = "https://img.shields.io/badge/documentation-site-blue"
    return f"[![Documentation]({docs})]({config.doc_url}) {BADGE}({colab_url(config.nbs_path / COLAB_START)})"


def shown(cell):
    "Whether a reader of the page sees `cell`"
    source = "".join(cell["source"]).strip()
    return bool(source) and not (
        HIDDEN.search(source) if cell["cell_type"] == "code" else source.startswith(("<!--", BADGE))
    )


def readme(nb, config):
    "The text of README.md"
    cells = [c for c in nb["cells"] if c["cell_type"] in ("markdown", "code") and shown(c)]
    parts = [prose("".join(c["source"]).strip()) if c["cell_type"] == "markdown" else code(c) for c in cells]
    title, _, rest = parts[0].partition("\n")
    return "\n\n".join([NOTE, title, badges(config), *filter(None, [rest.strip(), *parts[1:]])]) + "\n"


def main():
    "Write README.md, or with `--check` say whether it is in step"
    config = get_config()
    nb = json.loads((config.nbs_path / config.readme_nb).read_text(encoding="utf-8"))
    path, text = config.config_path / "README.md", readme(nb, config)
    if "--check" not in sys.argv:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.exit("README.md is not in step with nbs/index.ipynb: run `make readme`")


if __name__ == "__main__":
    main()
