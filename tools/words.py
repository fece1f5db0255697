"""Words and sentences of every page: mean words a sentence, the longest sentence and the number of words.

python tools/words.py            # a line per page, and a failure where a limit is passed
python tools/words.py start cli  # also prints the long sentences of these pages

What counts is the prose that a reader sees: Markdown cells without headings, tables, formulas, code and addresses.
A sentence ends at `.`, `!` or `?` before a space and a capital letter, a digit, code or a link; a paragraph and a list
item end one, too. An inline formula and a piece of inline code count as one word each.
"""

import ast
import json
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_MEAN, MOST_LONGEST, MOST_TUTORIAL = 16, 35, 1200
TUTORIALS = ("start", "own_images", "few_labels", "clusters", "photographs")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|al|vs|cf|Fig|Eq|Sec|No|approx|ca|resp)|\b[A-Z])\.$")
BLOCKS = re.compile(
    r"```.*?```|~~~.*?~~~|\$\$.*?\$\$|<!--.*?-->|^:::.*?$|^#{1,6} .*?$|^\s*\|.*?$|^\s*[-=|: ]+$", re.S | re.M
)
ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+|^>\s?", re.M)
IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)(?:\{[^}]*\})?")
LINK = re.compile(r"\[([^\]]*)\](?:\([^)\s]*(?:\s[^)]*)?\)|\[[^\]]*\])(?:\{[^}]*\})?")
END = re.compile(r"(?<=[.!?])[)\"'*_]*\s+(?=[*_\"'(\[]*[A-Z0-9`])")


def plain(markdown):
    "The prose of Markdown text: a paragraph or list item a line, code and formulas one word each"
    text = BLOCKS.sub("\n\n", markdown)
    text = LINK.sub(r"\1", IMAGE.sub("", text))
    text = re.sub(r"\$[^$\n]+\$", "X", re.sub(r"``[^\n]+?``|`[^`\n]*(?:\n[^`\n]*)?`", "`code`", text))
    text = re.sub(r"<[^>\n]+>|\{[^}\n]*\}", lambda m: "" if m[0][0] == "<" else "X", text)
    text = ITEM.sub("\n\n", text)
    parts = re.split(r"\n\s*\n|\\\n|  \n", text)
    return [" ".join(part.split()) for part in parts if part.strip()]


def split(paragraph):
    "The sentences of a paragraph"
    sentences = []
    for piece in END.split(paragraph):
        if sentences and ABBREVIATION.search(sentences[-1]):
            sentences[-1] += " " + piece
        else:
            sentences.append(piece)
    return [sentence for sentence in sentences if words(sentence)]


def words(text):
    "How many words `text` has: what holds a letter or a digit between spaces"
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def sentences(markdown):
    "All sentences of Markdown text"
    return [sentence for paragraph in plain(markdown) for sentence in split(paragraph)]


def prose(path):
    "The Markdown of a page: a `.md` file, or the Markdown cells of a notebook without badges and comments"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "markdown"]
    sources = ["".join(c["source"]) for c in cells]
    return "\n\n".join(s for s in sources if not s.startswith(("<!--", "[![")))


def counts(path):
    "Number of words, mean words a sentence and the sentences of a page, longest first"
    found = sorted(sentences(prose(path)), key=words, reverse=True)
    total = sum(map(words, found))
    return total, total / max(1, len(found)), found


def too_much(path):
    "What is over a limit on a page, in words; empty where nothing is"
    total, mean, found = counts(path)
    said = [f"{mean:.1f} words a sentence (at most {MOST_MEAN})"] * (mean > MOST_MEAN)
    said += [f"{words(s)} words: {s}" for s in found if words(s) > MOST_LONGEST]
    over = path.stem in TUTORIALS and total > MOST_TUTORIAL
    return said + [f"{total} words (a tutorial has at most {MOST_TUTORIAL})"] * over


def spoken(text):
    "The long strings of a module that are read by users: docstrings, help and messages; f-string fields are one word"
    strings = []
    inside = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if part is not node}
            parts = [p.value if isinstance(p, ast.Constant) else "X" for p in node.values]
            strings.append("".join(parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            strings.append(node.value)
    return [s for s in strings if words(s) > MOST_LONGEST and not re.search(r"[{}<>]\n|</|\bSELECT\b", s)]


def long_strings(path):
    "Sentences over the limit in the strings of a module"
    found = [s for string in spoken(path.read_text(encoding="utf-8")) for s in sentences(string)]
    return [f"{words(s)} words: {s}" for s in found if words(s) > MOST_LONGEST]


def pages():
    "Every page: the notebooks, and the Markdown files at the top"
    return [*sorted((ROOT / "nbs").glob("*.ipynb")), *sorted(ROOT.glob("*.md"))]


def modules():
    "Every exported module"
    return sorted((ROOT / "ssl_nb").glob("*.py"))


def main(names):
    "A line per page; the long sentences of the pages in `names`"
    bad = 0
    for path in pages():
        total, mean, found = counts(path)
        said = too_much(path)
        bad += bool(said)
        longest = words(found[0]) if found else 0
        print(f"{path.name:24} {total:5} words {mean:5.1f} mean {longest:4} longest", "OVER" if said else "")
        if path.stem in names:
            print(*(f"    {line}" for line in said), sep="\n")
    for path in modules():
        said = long_strings(path)
        bad += bool(said)
        for line in said:
            print(f"{path.name:24} {line}")
    lengths = [words(s) for path in pages() for s in counts(path)[2]]
    print(f"{len(lengths)} sentences, {statistics.mean(lengths):.1f} words each")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
