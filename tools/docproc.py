"What nbdev does, beyond its own steps, to each notebook on its way to a page (`doc_procs` in pyproject.toml)."

import html
import json
import re
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path

import yaml
from nbdev.config import get_config
from nbdev.process import Processor, mk_cell

import reference

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
    at = f"{config.user}/{config.repo}/blob/{config.branch}/{notebook_path(path)}"
    return f"https://colab.research.google.com/github/{at}"


def source_url(path):
    "Where the notebook at `path` is shown on GitHub"
    config = get_config()
    return f"{config.git_url}/blob/{config.branch}/{notebook_path(path)}"


def strip_execution(cell):
    "Drop execution times: with them Quarto leaves documented symbols out of its table of contents"
    if cell.cell_type == "code":
        cell.metadata.pop("execution", None)


def fill_addresses(cell):
    "Fill the project's addresses into prose; code keeps its braces"
    if cell.cell_type == "markdown":
        cell.source = filled(cell.source)


SIGNATURE = re.compile(r"\n```python\n.*?\n```\n", re.S)
PARAMETERS = re.compile(r"^::: \{\.parameters\}\n.*?^:::$", re.S | re.M)
SOURCE = re.compile(r"\[source\]\([^)]*?/(\w+/\w+\.py)#")


def folded_source(cell):
    "Fold the source of what is exported: the entry above it says how it is called"
    if cell.cell_type == "code":
        cell.source = cell.source.replace("#| code-fold: show", "#| code-fold: true")
        cell.source = cell.source.replace('#| code-summary: "Exported source"', '#| code-summary: "Source"')


def section(page):
    "The top section of the sidebar that holds the notebook `page`, or ''"
    sidebar = yaml.safe_load((get_config().nbs_path / "_quarto.yml").read_text(encoding="utf-8"))["website"][
        "sidebar"
    ]
    held = lambda part: page == part or (isinstance(part, dict) and any(map(held, part.get("contents", []))))
    return next((part["section"] for part in sidebar["contents"] if "section" in part and held(part)), "")


def folded(table):
    "A table of an entry, a click away"
    name = "Methods" if "| method |" in table else "Parameters"
    return f"<details><summary>{name}</summary>\n\n{table}\n\n</details>"


def folded_tables(text):
    "The entry `text` of a symbol with its tables a click away"
    return PARAMETERS.sub(lambda m: folded(m[0]), text)


class entries(Processor):
    """Signature, parameters, result and errors in the entry of a symbol, in place of nbdev's signature

    A chapter tells a story: there the parameters are folded. In the reference they stand open."""

    def begin(self):
        reference_page = section(Path(self.nb.path_).name) == "Reference"
        self.shown = str if reference_page else folded_tables

    def cell(self, cell):
        if cell.cell_type != "code" or "show_doc(" not in cell.source:
            return
        name = re.search(r"show_doc\(([\w.]+)", cell.source)[1]
        for output in cell.get("outputs", []):
            text = "".join(output.get("data", {}).get("text/markdown", ""))
            home = SOURCE.search(text)
            if home:
                path = get_config().config_path / home[1]
                text = SIGNATURE.sub("", text)
                entry = self.shown(reference.entry(path, name))
                output["data"]["text/markdown"] = f"{text}\n\n{entry}\n"


TOUCH = re.compile(r"^\[!\[(.*?)\]\((images/touch-\w+\.png)\)\]\((touch/\w+\.html)\)$", re.M)
FRAME = """```{{=html}}
<iframe class="touch" src="{page}" title="{text}" loading="lazy"></iframe>
<noscript><img src="{picture}" alt="{text}"></noscript>
```"""


def touch_frames(cell):
    "A picture that leads to a page to touch becomes that page; elsewhere, as in Colab, it stays a picture"
    if cell.cell_type == "markdown":
        cell.source = TOUCH.sub(
            lambda m: FRAME.format(page=m[3], picture=m[2], text=html.escape(m[1])), cell.source
        )


TESTS = re.compile(r"^ *(assert|with ExceptionExpected|(for|with) .*: *(assert|test_)|test_\w+\()", re.M)
IMPORTS = re.compile(r"from |import |    \w+,$|\)$|# ")
LONG = 12  # Lines of an example that a page shows


def hidden_part(cell):
    "What a click shows of the code of `cell`: `tests`, `imports`, `code` where it is long, or None where all is shown"
    if cell.cell_type != "code" or re.search(
        r"^#\| *(echo|code-fold|code-summary|exports?)\b", cell.source, re.M
    ):
        return None
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.startswith("#|")]
    tests = len(TESTS.findall(cell.source))
    if len(lines) > 2 and tests and (not cell.get("outputs") or tests > 2):
        return "tests"
    if all(IMPORTS.match(line) for line in lines):
        return "imports" if len(lines) > 2 else None
    return "code" if len(lines) > LONG else None


class folded_code(Processor):
    """Fold tests, imports, and examples that are long: a click away, and the page is half as long

    On the first page, in tutorials and how-tos the long examples are what a reader came for, unless they only read
    records."""

    def begin(self):
        self.examples_stay = section(Path(self.nb.path_).name) in ("", "Tutorials", "How to")

    def cell(self, cell):
        part = hidden_part(cell)
        stays = part == "code" and self.examples_stay and "read_record(" not in cell.source
        if part and not stays:
            cell.source = f'#| code-fold: true\n#| code-summary: "{part}"\n{cell.source}'


HEADING = re.compile(r"^(##+ )`?(\w+)`?$", re.M)


def own_anchors(cell):
    "A heading of one word leaves its anchor to the symbol of that name, if there is one"
    if cell.cell_type == "markdown":
        cell.source = HEADING.sub(
            lambda m: f"{m[0]} {{#about-{m[2].lower()}}}" if m[2].lower() in symbols() else m[0], cell.source
        )


@cache
def symbols():
    "All public names of the package in lower case"
    known = import_module(f"{get_config().lib_name}._modidx").d["syms"]
    return {name.rpartition(".")[2].lower() for module in known.values() for name in module}


DEFINED = re.compile(r"^(?:async )?(?:def|class) (\w+)", re.M)


def symbol(cell):
    "The symbol whose entry nbdev put into `cell`, or None"
    return re.search(r"show_doc\((\w+)", cell.source)[1] if getattr(cell, "has_sd", 0) else None


class docs_in_order(Processor):
    """Several symbols of one cell: their entries in the order of the source, and all above it

    nbdev leaves them the other way round, the source after the first."""

    def begin(self):
        cells, notebook = list(self.nb.cells), json.loads(Path(self.nb.path_).read_text(encoding="utf-8"))
        names = DEFINED.findall("\n".join("".join(cell["source"]) for cell in notebook["cells"]))
        for at in range(len(cells) - 1, 0, -1):
            ours = DEFINED.findall(cells[at].source) if "exports" in cells[at].directives_ else []
            after = next((i for i in range(at + 1, len(cells)) if symbol(cells[i]) not in ours), len(cells))
            if symbol(cells[at - 1]) in ours:
                cells[at:after] = [*cells[at + 1 : after], cells[at]]
        runs = [(entries, list(run)) for entries, run in groupby(cells, lambda cell: bool(symbol(cell)))]
        place = lambda cell: names.index(symbol(cell)) if symbol(cell) in names else len(names)
        self.nb.cells[:] = [
            cell for entries, run in runs for cell in (sorted(run, key=place) if entries else run)
        ]


class page_links(Processor):
    """Put links in the place of the badge, which would be loaded from elsewhere, and one to the notebook

    The first page goes without."""

    def begin(self):
        cells, path = self.nb.cells, self.nb.path_
        at = next((i for i, cell in enumerate(cells) if cell.source.startswith(BADGE)), None)
        if at is None:
            return
        says = (
            cells.pop(at)
            .source.partition("\n\n")[2]
            .replace(f"{addresses()['documentation']}/colab.html", "colab.ipynb")
        )
        if Path(path).name == get_config().readme_nb:
            return
        links = f"[Open in Colab]({colab_url(path)}) [Notebook]({source_url(path)})"
        if len(says) > 400:
            says = f"<details><summary>What it takes to run it</summary>\n\n{says}\n\n</details>"
        cells.insert(at, mk_cell(f"::: {{.page-links}}\n{links}\n\n{says}\n:::", "markdown"))
