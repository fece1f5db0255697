"""The entry of a symbol in the reference, read from its source: signature, parameters, result and errors.

Nothing is imported but `settings`, which knows the ranges of settings.
"""

import ast
import html
import textwrap
import tokenize
from functools import cache
from pathlib import Path

from ssl_nb.core import SslNbError
from ssl_nb.settings import Maker, signature

WIDTH = 88  # Letters a line of a signature
KINDS = dict(int="whole number", float="number", bool="true or false", str="text")


@cache
def module(path):
    "Text, tree and {line: comment} of the Python file at `path`"
    text = Path(path).read_text(encoding="utf-8")
    lines = iter(text.splitlines(keepends=True))
    tokens = tokenize.generate_tokens(lambda: next(lines, ""))
    comments = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
    return text, ast.parse(text), comments


def find(path, name):
    "The definition of `name`, a function, class or `Class.method`, in the file at `path`, or None"
    nodes = module(path)[1].body
    for part in name.split("."):
        node = next((n for n in nodes if getattr(n, "name", None) == part), None)
        nodes = getattr(node, "body", [])
    return node


def pairs(node):
    "(argument, node of its default or None, words before it) of a function, `self` left out"
    args = node.args
    plain = args.posonlyargs + args.args
    defaults = [None] * (len(plain) - len(args.defaults)) + args.defaults
    yield from ((a, d, "") for a, d in zip(plain, defaults) if a.arg not in ("self", "cls"))
    if args.vararg:
        yield args.vararg, None, "*"
    yield from ((a, d, "") for a, d in zip(args.kwonlyargs, args.kw_defaults))
    if args.kwarg:
        yield args.kwarg, None, "**"


def of_class(node):
    "The function that makes an object of a class, or None"
    inits = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    return inits[0] if inits else None


def fields(node):
    "(field, its default or None, '') of a class that lists its fields"
    found = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    return [(ast.arg(n.target.id, n.annotation, end_lineno=n.end_lineno), n.value, "") for n in found]


def arguments(node):
    "What a function or class takes, as `pairs`"
    if not isinstance(node, ast.ClassDef):
        return list(pairs(node))
    init = of_class(node)
    return list(pairs(init)) if init else fields(node)


def called(name, node):
    "The signature as a call, wrapped"
    said = [f"{before}{a.arg}" + (f"={ast.unparse(d)}" if d else "") for a, d, before in arguments(node)]
    if not isinstance(node, ast.ClassDef) and node.args.kwonlyargs and not node.args.vararg:
        said.insert(len(node.args.posonlyargs + node.args.args), "*")
    flat = f"{name}({', '.join(said)})"
    if len(flat) <= WIDTH:
        return flat
    inner = textwrap.fill(
        ", ".join(said), WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    return f"{name}(\n{inner}\n)"


def type_in_words(annotation, setting):
    "'whole number, >= 1' of a setting, else the annotation as it is written"
    if setting is not None and setting.choices:
        return ", ".join(f"`{c}`" for c in setting.choices)
    if setting is not None and setting.bounds:
        return f"{KINDS[setting.kind]}, {setting.range()}" + (
            " or `None`" if "None" in ast.unparse(annotation) else ""
        )
    return f"`{ast.unparse(annotation)}`" if annotation is not None else ""


def cell(text):
    "Text as a cell of a Markdown table"
    return text.replace("|", "\\|")


def settings_of(path, name):
    "{argument: `Param`}, empty where an annotation says what no setting can be"
    try:
        return signature(Maker(str(path), name))[0]
    except (SslNbError, NameError, TypeError, AttributeError, KeyError):
        return {}


def table(path, name, node):
    "Parameters and result as a Markdown table; '' when nothing is said of any"
    comments, known = module(path)[2], settings_of(path, name)
    result = getattr(getattr(node, "returns", None), "end_lineno", None)
    rows = []
    for a, default, before in arguments(node):
        # behind a signature in one line stands what it returns
        says = "" if a.end_lineno == result else comments.get(a.end_lineno, "")
        shown = f"`{ast.unparse(default)}`" if default is not None else ""
        rows.append(
            (
                f"`{before}{a.arg}`",
                type_in_words(a.annotation, known.get(a.arg)),
                shown,
                html.escape(says, quote=False),
            )
        )
    returns = getattr(node, "returns", None)
    if returns is not None and ast.unparse(returns) != "None":
        rows.append(
            (
                "**returns**",
                f"`{ast.unparse(returns)}`",
                "",
                html.escape(comments.get(returns.end_lineno, ""), quote=False),
            )
        )
    return as_table(["", "type", "default", "meaning"], rows)


def as_table(head, rows):
    "A Markdown table without the columns that are empty; '' when nothing is said of any row"
    used = [i for i in range(len(head)) if any(row[i] for row in rows)]
    if len(used) < 2:
        return ""
    lines = [[head[i] for i in used], ["---"] * len(used), *([cell(row[i]) for i in used] for row in rows)]
    return "::: {.parameters}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n\n:::"


def errors(node):
    "Names of the exceptions that its own lines raise"
    raised = [n.exc for n in ast.walk(node) if isinstance(n, ast.Raise) and n.exc is not None]
    named = [e.func if isinstance(e, ast.Call) else e for e in raised]
    return sorted({n.id for n in named if isinstance(n, ast.Name) and n.id[0].isupper()})


def methods(node):
    "(name as it is called, first line of its docstring) of the public methods of a class"
    for n in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"):
            if not any(getattr(d, "id", "") == "property" for d in n.decorator_list):
                yield called(n.name, n), (ast.get_docstring(n) or "").partition("\n")[0]
            else:
                yield n.name, (ast.get_docstring(n) or "").partition("\n")[0]


def entry(path, name):
    "Signature, table, errors and methods of a symbol as Markdown"
    node = find(path, name)
    if node is None:
        return ""
    parts = [f"```python\n{called(name, node)}\n```", table(path, name, node)]
    if raised := errors(node):
        parts.append("Raises " + ", ".join(f"`{e}`" for e in raised) + ".")
    parts.append(
        as_table(
            ["method", "what it does"], [(f"`{c}`", html.escape(d, quote=False)) for c, d in methods(node)]
        )
    )
    return "\n\n".join(filter(None, parts))
