"""Symbols whose names differ only in case, as `Cell` and `cell`, each with an anchor of its own on their page.

Renderers make anchors in lower case and number the second: `cell` and `cell-1`. The links of nbdev lead to the first.
"""

import json
import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from nbdev.config import get_config


def case_twins():
    "{page: {anchor in lower case: names that share it}} of all public symbols"
    found = defaultdict(lambda: defaultdict(list))
    for symbols in import_module(f"{get_config().lib_name}._modidx").d["syms"].values():
        for full, (address, _) in symbols.items():
            page, _, anchor = address.partition("#")
            name = full.rpartition(".")[2]
            if anchor == name.lower() and name[0] != "_":
                found[page][anchor].append(name)
    shared = {page: {a: names for a, names in by.items() if len(names) > 1} for page, by in found.items()}
    return {page: by for page, by in shared.items() if by}


def heading_of(name, text):
    "The anchor of the entry `name` on a page, whose heading is below the second level, or None"
    found = re.search(rf'<h[3-6][^>]*\bid="([^"]+)"[^>]*>{name}<', text)
    return found and found[1]


def own_anchors(text, twins):
    "A page whose headings `twins`, {anchor: names}, have the name itself as anchor"
    for anchor, names in twins.items():
        old = {name: heading_of(name, text) for name in names}
        for name, at in old.items():
            if at:
                text = re.sub(
                    rf'(\bid="|data-anchor-id="|(?:href|data-scroll-target)="#){at}"',
                    rf'\g<1>{anchor}~{name}"',
                    text,
                )
        for name in names:
            text = text.replace(f'{anchor}~{name}"', f'{name}"')
    return text


def own_links(text, twins):
    "A page whose links to `twins`, {page: {anchor: names}}, lead to the symbol that they name"
    for page, by in twins.items():
        for anchor, names in by.items():
            for name in names:
                link = rf'(href="(?:[^"]*/)?{page})#{anchor}("[^>]*>(?:<strong>)?<code>(?:<strong>)?{name}\b)'
                text = re.sub(link, rf"\g<1>#{name}\2", text)
    return text


def mend_search(path, twins):
    "Let the entries of the search at `path` lead to the own anchors of `twins`, {page: {anchor: names}}"
    entries = json.loads(path.read_text(encoding="utf-8"))
    for entry in entries:
        page, _, anchor = entry["href"].partition("#")
        names = twins.get(page, {}).get(re.sub(r"-\d+$", "", anchor), ())
        if entry.get("section") in names:
            entry["href"] = f"{page}#{entry['section']}"
    path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8")


def give_anchors(site):
    "Give each twin on the pages of the folder `site` its own anchor, and mend the links and the search"
    twins = case_twins()
    search = Path(site) / "search.json"
    if search.is_file():
        mend_search(search, twins)
    for path in Path(site).rglob("*.html"):
        old = path.read_text(encoding="utf-8")
        text = own_links(own_anchors(old, twins.get(path.name, {})), twins)
        if text != old:
            path.write_text(text, encoding="utf-8")
