"""Faults of a built site.

Dead links, raw markup that a reader would see, pictures without a text in their place, and requests to other
machines.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

RAW_MARKUP = ["$$", ":::", "{{<", "\\(", "\\[", ".ipynb)", "]("]
REMOTE = re.compile(r"(?:https?:)?//")
CSS_REMOTE = re.compile(r"(?:@import|url\()\s*(?:url\()?[\"']?((?:https?:)?//[^\"')]+)")
NOT_SHOWN = {"script", "style", "head", "pre", "code", "annotation"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What one page links to, loads and shows

    `links`; what it loads by itself (`loads`); what it offers as targets (`ids`); what it shows (`text`); how many
    pictures have no text (`mute`)."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.loads, self.ids, self.text, self.mute, self.inside = (
            path,
            [],
            [],
            set(),
            [],
            0,
            [],
        )
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in VOID:
            self.inside.append(tag)
        if tag == "img" and not (attrs.get("alt") or "").strip():
            self.mute += 1
        self.ids.update(filter(None, (attrs.get("id"), attrs.get("name") if tag == "a" else None)))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("href") and attrs.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(attrs["href"])
        elif attrs.get("src"):
            self.loads.append(attrs["src"])

    def handle_endtag(self, tag):
        if tag not in self.inside:
            return
        while self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if not NOT_SHOWN.intersection(self.inside):
            self.text.append(data)


def read_pages(site):
    "All pages below `site`, by resolved path"
    return {path.resolve(): Page(path) for path in sorted(Path(site).rglob("*.html"))}


def is_dead(link, page, pages):
    "Whether `link` on `page` points into the site at something that is not there"
    url = urlsplit(link)
    if url.scheme or url.netloc:
        return False
    target = (page.path.parent / unquote(url.path)).resolve() if url.path else page.path.resolve()
    if target.is_dir():
        target = target / "index.html"
    if not target.is_file():
        return True
    fragment = unquote(url.fragment)
    return bool(fragment) and target in pages and fragment not in pages[target].ids


def page_faults(page, pages, offline):
    "One line for each fault of `page`"
    yield from (f"dead link {link}" for link in page.links + page.loads if is_dead(link, page, pages))
    text = "".join(page.text)
    yield from (f"shows raw markup {mark}" for mark in RAW_MARKUP if mark in text)
    if page.mute:
        yield f"pictures without alternative text: {page.mute}; write #| fig-alt: above their code"
    if offline:
        yield from (f"loads {load}" for load in page.loads if REMOTE.match(load))


def css_faults(site):
    "One line for each address that a style sheet below `site` loads from another machine"
    for path in sorted(Path(site).rglob("*.css")):
        for address in CSS_REMOTE.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: loads {address}"


def faults(site, offline=True):
    "One line for each fault of the site in folder `site`; `offline` also forbids it to load anything from elsewhere"
    pages = read_pages(site)
    if not pages:
        return [f"{site}: has no pages"]
    found = [
        f"{page.path.relative_to(site)}: {fault}"
        for page in pages.values()
        for fault in page_faults(page, pages, offline)
    ]
    return found + (list(css_faults(site)) if offline else [])


if __name__ == "__main__":
    lines = faults(Path(sys.argv[1] if len(sys.argv) > 1 else "_docs"))
    sys.exit("\n".join(lines) or 0)
