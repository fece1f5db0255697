"What nbdev stages is sound input for Quarto and its pandoc."

import json

import pytest

from check_quarto import faults


def staged(folder, *cells, settings="project: {type: website}"):
    "Write a notebook of `cells`, text or dictionaries, and `settings` into `folder`; returns it"
    cells = [cell if isinstance(cell, dict) else {"cell_type": "markdown", "source": cell} for cell in cells]
    (folder / "page.ipynb").write_text(json.dumps({"cells": cells}))
    (folder / "_quarto.yml").write_text(settings)
    return folder


def code(source, **data):
    "A code cell with one output, if any"
    return {
        "cell_type": "code",
        "source": source,
        "outputs": [{"output_type": "display_data", "data": data}] if data else [],
    }


@pytest.mark.parametrize(
    "cells, fault",
    [
        (["::: {.callout-note}\nnever closed"], "Div at line 1 column 1 unclosed"),
        (["::: {.callout-note}\nx\n:::"], None),
        (["::: {.callout-hint}\nx\n:::"], "no such callout: callout-hint"),
        (["$$\\\\sqrt{2}$$"], "Could not convert TeX math"),
        (["$\\frac12$"], None),
        (["$$x = 1"], "$$ is read as text"),
        (["x ::: y"], "::: is read as text"),
        (["{{< video x >}}"], "{{< is read as text"),
        (["`$$` `:::` `@x`"], None),
        (["see @fig-one"], "@fig-one is read as a citation"),
        (["text\n- one\n- two"], "no empty line before it: - one"),
        (["text\n\n- one\n- two"], None),
        (["text\n## `a` title"], "no empty line before it: ## …"),
        (["text\n| a | b |\n|---|---|"], "no empty line before it: | a | b |"),
        (["a - b -\n-1 and 2 |"], None),
        (["---\ntitle: x\noutput-fil: y\n---"], "unknown key output-fil"),
        (["---\ntitle: x\noutput-file: y.html\n---"], None),
        ([code("#| code-flod: show\nx = 1")], "unknown cell option code-flod"),
        ([code("#| code-fold: show\n#| label: x\nx = 1\n'$$ ::: ```'")], None),
        ([code("#| fig-cap: see @fig-one\nf()", **{"image/png": ""})], "@fig-one is read as a citation"),
        ([code("#| fig-cap: [One., Two.]\n#| fig-alt: A cat.\nf()", **{"image/png": ""})], None),
        ([code("f()", **{"text/markdown": "::: {.a}"})], "Div at line"),
        ([code("f()", **{"text/html": "<p>$$ ::: </p>"}), "x"], None),
    ],
)
def test_faults_of_a_page_are_found(tmp_path, cells, fault):
    found = faults(staged(tmp_path, *cells))
    assert len(found) == bool(fault) and all(line.startswith("page.ipynb: ") for line in found), found
    assert not fault or fault in found[0]


@pytest.mark.parametrize(
    "settings, fault",
    [
        ("projekt: {type: website}", "projekt"),
        ("website: {navbar: {left: [{text: a, hrf: b}]}}", "website.navbar.left.hrf"),
        ("format: {html: {grid: {body: 1}}}", "format.html.grid.body"),
        ("format: {html: {toc: {depth: 2}}}", "format.html.toc.depth"),
        (
            "website: {sidebar: {contents: [a.ipynb, {section: s, contents: [{file: b}]}]}}",
            "website.sidebar.contents.contents.file",
        ),
        (
            "website: {search: true, sidebar: {style: floating, contents: "
            "[a.ipynb, {section: s, contents: [b.ipynb]}]}}",
            None,
        ),
    ],
)
def test_unknown_settings_are_named(tmp_path, settings, fault):
    assert faults(staged(tmp_path, "x", settings=settings)) == (
        [f"_quarto.yml: unknown key {fault}"] if fault else []
    )


def test_staged_site(built):
    assert {"_quarto.yml", "nbdev.yml"} <= {path.name for path in (built / "_proc").glob("*.yml")}
    assert len(list((built / "_proc").glob("*.ipynb"))) == len(list((built / "nbs").glob("*.ipynb")))
    assert faults(built / "_proc") == []
