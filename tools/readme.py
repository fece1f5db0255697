"README.md from nbs/index.ipynb, with the addresses that stand in pyproject.toml. `--check` only compares."
import json
import re
import sys

from nbdev.config import get_config, nbpath2html

from docproc import colab_url, filled

NOTE = "<!-- made from nbs/index.ipynb by `make readme`: edit the notebook -->"
COLAB_START = "03_pretrain.ipynb"
CALLOUT = re.compile(r"^::: *\{\.callout-(note|tip|important|warning|caution)[^}]*\}\n(.*?)\n:::$", re.S | re.M)
HIDDEN = re.compile(r"^#\| *(hide\b|include: *false)", re.M)


def alert(match):
    "A Quarto callout as an alert of GitHub"
    lines = re.sub(r"^#+ +(.*)$", r"**\1**\n", match[2].strip(), count=1, flags=re.M).splitlines()  # an alert has no title of its own
    return "\n".join([f"> [!{match[1].upper()}]", *(f"> {line}".rstrip() for line in lines)])


def page_url(name):
    "The page of the notebook `name` on the documentation site"
    return "{documentation}/" + nbpath2html(name).name


def prose(text):
    "A prose cell whose callouts, pictures and links work outside the site"
    text = CALLOUT.sub(alert, text)
    text = re.sub(r"^::: *(\{[^}]*\})?\n?", "", text, flags=re.M)
    text = re.sub(r"(!\[[^\]]*\]\()(?!https?:)([^)\s]+)([^)]*\))(\{[^}]*\})?", r"\1nbs/\2\3", text)
    text = re.sub(r"(?<=\]\()([\w-]+\.ipynb)(?=[)#])", lambda m: page_url(m[1]), text)
    return filled(text.replace("](../", "]("))


def code(cell):
    "A code cell with its text output"
    source = "\n".join(line for line in "".join(cell["source"]).strip().splitlines() if not line.startswith("#|"))
    outputs = [o for o in cell["outputs"] if "image/png" not in o.get("data", {})]
    texts = ["".join(o.get("text") or o.get("data", {}).get("text/plain", "")).rstrip() for o in outputs]
    return "\n\n".join([f"```python\n{source}\n```", *(f"```\n{text}\n```" for text in texts if text)])


def badges(config):
    "The line of badges under the title"
    colab = "https://colab.research.google.com/assets/colab-badge.svg"
    docs = "https://img.shields.io/badge/documentation-site-blue"
    return f"[![Documentation]({docs})]({config.doc_url}) [![Open in Colab]({colab})]({colab_url(config.nbs_path / COLAB_START)})"


def shown(cell):
    "Whether a reader of the page sees `cell`"
    source = "".join(cell["source"]).strip()
    return bool(source) and not (HIDDEN.search(source) if cell["cell_type"] == "code" else source.startswith("<!--"))


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
    if "--check" not in sys.argv: path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text: sys.exit("README.md is not in step with nbs/index.ipynb: run `make readme`")


if __name__ == "__main__": main()
