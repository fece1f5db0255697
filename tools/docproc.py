"What nbdev does, beyond its own steps, to each notebook on its way to a page (`doc_procs` in pyproject.toml)."
import re
from pathlib import Path

from nbdev.config import get_config
from nbdev.process import Processor, mk_cell

BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"


def addresses():
    "The two addresses of the project, by the name that prose writes in braces"
    config = get_config()
    return {"repository": config.git_url, "documentation": config.doc_url.rstrip("/")}


def filled(text):
    "`text` with `{repository}` and `{documentation}` replaced"
    return re.sub(r"\{(repository|documentation)\}", lambda m: addresses()[m[1]], text)


def notebook_path(path):
    "`path` of a notebook as it stands in the repository"
    return Path(path).resolve().relative_to(get_config().config_path).as_posix()


def colab_url(path):
    "Where the notebook at `path` opens in Colab"
    config = get_config()
    return f"https://colab.research.google.com/github/{config.user}/{config.repo}/blob/{config.branch}/{notebook_path(path)}"


def source_url(path):
    "Where the notebook at `path` is shown on GitHub"
    config = get_config()
    return f"{config.git_url}/blob/{config.branch}/{notebook_path(path)}"


def strip_execution(cell):
    "Drop execution times: with them Quarto leaves documented symbols out of its table of contents"
    if cell.cell_type == "code": cell.metadata.pop("execution", None)


def fill_addresses(cell):
    "Fill the project's addresses into prose; code keeps its braces"
    if cell.cell_type == "markdown": cell.source = filled(cell.source)


def source_once(cell):
    "Leave the signature out of a symbol's entry: its whole source stands below it"
    if cell.cell_type != "code": return
    cell.source = cell.source.replace('#| code-summary: "Exported source"', '#| code-summary: "Source"')
    for output in cell.get("outputs", []) if "show_doc(" in cell.source else []:
        text = output.get("data", {}).get("text/markdown")
        if text: output["data"]["text/markdown"] = re.sub(r"\n```python\n.*?\n```\n", "", "".join(text), flags=re.S)


class page_links(Processor):
    "Put links in the place of the badge, which would be loaded from elsewhere, and one to the notebook; the first page goes without"

    def begin(self):
        cells, path = self.nb.cells, self.nb.path_
        at = next((i for i, cell in enumerate(cells) if cell.source.startswith(BADGE)), None)
        if at is None: return
        says = cells.pop(at).source.partition("\n\n")[2].replace(f"{addresses()['documentation']}/colab.html", "colab.ipynb")
        if Path(path).name == get_config().readme_nb: return
        links = f"[Open in Colab]({colab_url(path)}) [Notebook]({source_url(path)})"
        cells.insert(at, mk_cell(f"::: {{.page-links}}\n{links}\n\n{says}\n:::", "markdown"))
