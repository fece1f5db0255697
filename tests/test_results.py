"""Published numbers: each on a page comes out of its record.

The prose of the first page and of the report holds none that was typed.
"""

import html
import importlib
import json
import re

import nbformat
import pytest

from conftest import ROOT
from ssl_nb.runs import percent, read_record

SPAN = re.compile(
    r'<span class="result" title="[^"]*" data-record="([^"]+)" data-metric="([^"]+)" data-digits="(\d+)">([^<]*)</span>'
)
TYPED = re.compile(r"±|\d\s*(?:%|per cent|percent)|(?<![\d.])0?\.\d{2,}")
# what write-ups say of themselves; anything else with a per cent or ± has to come from a record
SOURCED = {
    "index.ipynb": [],
    "06_report.ipynb": [
        "98 % validation accuracy",
        "More than 70 % without a label",
        "the 30-40 % that it expects",
        "F1 above 0.60 for every class",
    ],
}


def reporting():
    "The module, which takes seconds to import"
    return importlib.import_module("ssl_nb.reporting")


def writeups():
    "The module, which takes seconds to import"
    return importlib.import_module("ssl_nb.writeups")


def cells(path, kind):
    "The cells of a notebook of one kind"
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def texts(path):
    "What the outputs of a notebook show as HTML or Markdown"
    for cell in cells(path, "code"):
        for output in cell.outputs:
            for kind in ("text/html", "text/markdown"):
                if kind in output.get("data", {}):
                    yield "".join(output["data"][kind])


def published(text):
    "Record, metric, digits and text of each number that `result` put there"
    return [tuple(html.unescape(part) for part in found) for found in SPAN.findall(text)]


@pytest.mark.parametrize("path", sorted((ROOT / "nbs").glob("*.ipynb")), ids=lambda path: path.name)
def test_published_numbers_are_those_of_their_records(path):
    found = [number for text in texts(path) for number in published(text)]
    assert sum(text.count('class="result"') for text in texts(path)) == len(found)
    for record, metric, digits, text in found:
        assert published(reporting().result(record, metric, int(digits), ROOT / "results")) == [
            (record, metric, digits, text)
        ], f"{path.name}: run it again"
    if path.name == "06_report.ipynb":
        wanted = {
            of
            for claim in writeups().CLAIMS
            for of in (claim["same"], claim["best"])
            if (ROOT / "results" / f"{of[0]}.json").is_file()
        }
        assert wanted <= {number[:2] for number in found}


def test_a_wrong_number_is_found():
    right = reporting().result("mnist-few-10", "semi_acc", folder=ROOT / "results")
    assert len(published(right)) == 1 and published(right)[0][:3] == ("mnist-few-10", "semi_acc", "1")
    assert published(right.replace("99.", "98.")) != published(right)


def test_claims_name_metrics_that_their_records_have():
    for claim in writeups().CLAIMS:
        for name, metric in (claim["same"], claim["best"]):
            if (ROOT / "results" / f"{name}.json").is_file():
                assert metric in read_record(name, ROOT / "results")["metrics"]
        assert (ROOT / "nbs" / claim["page"].partition("#")[0]).is_file()


def typed(prose, sourced=()):
    "Numbers in prose that look like results and are in no sourced phrase"
    for phrase in sourced:
        prose = prose.replace(phrase, "")
    return [
        match[0] for match in TYPED.finditer(re.sub(r"```.*?```|`[^`]*`|\{[^{}]*\}", "", prose, flags=re.S))
    ]


@pytest.mark.parametrize(
    "prose, found",
    [
        ("it reaches 97.1 %", ["1 %"]),
        ("97 ± 1", ["±"]),
        ("an NMI of 0.71", ["0.71"]),
        ("5 per cent", ["5 per cent"]),
        ("five per cent", []),
        ("Python 3.11, 1,234.56", []),
        ("`--crop 0.25` and 64x64 images", []),
        ("{mnist-few-10: semi_acc}", []),
        ("it claims 98 % of it", []),
    ],
)
def test_typed_numbers_are_found(prose, found):
    assert typed(prose, ["98 % of"]) == found


@pytest.mark.parametrize("name", SOURCED)
def test_prose_has_no_typed_results(name):
    prose = "\n".join(cell.source for cell in cells(ROOT / "nbs" / name, "markdown"))
    prose += "\n".join(
        part
        for cell in cells(ROOT / "nbs" / name, "code")
        for part in re.findall(r"tell\((.*)", cell.source, flags=re.S)
    )
    prose = " ".join(prose.split())
    assert not typed(prose, SOURCED[name])
    assert all(phrase in prose for phrase in SOURCED[name])


@pytest.mark.parametrize("name", ["index", "start", "few_labels", "clusters"])
def test_tables_hold_what_the_records_say_today(name):
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "results").glob("*.json")]
    today = {
        percent(values)
        for record in records
        for values in record["metrics"].values()
        if isinstance(values[0], float)
    }
    shown = {
        number
        for text in texts(ROOT / "nbs" / f"{name}.ipynb")
        for number in re.findall(r"\d+\.\d ± \d+\.\d %", text)
    }
    assert shown and not shown - today, "run the notebook again"


def test_records_are_json_that_every_reader_takes():
    for path in (ROOT / "results").glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_the_settings_of_objectives_are_those_that_validation_chose():
    found = read_record("objectives-choice-cpu", ROOT / "results")["metrics"]
    chosen = importlib.import_module("ssl_nb.records")._best
    for name, what in chosen.items():
        at = {
            k: found[f"valid_linear_acc@{name}{k and f', {k}'}"] for k in ("", "option", "batch 64", "local")
        }
        assert max(at, key=at.get) == what, name
