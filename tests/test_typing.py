"A type checker lets right calls through, objects to wrong ones, and sees every public name."

import ast
import json
import re
import shutil

import ssl_nb
from conftest import ROOT, run

TYPED = ROOT / "tests" / "typed"
FOUND = re.compile(r"^(\w+)\.py:(\d+): (?:error: (.*?)  \[([\w-]+)\]|note: Revealed type is \"(.*)\")$", re.M)
# what a page may leave to chance: its own code has no annotations, and some packages have none
LAX = '# mypy: disable-error-code="{}"\n'.format(
    ",".join(
        [
            "no-untyped-def",
            "no-untyped-call",
            "type-arg",
            "index",
            "union-attr",
            "operator",
            "import-untyped",
            "import-not-found",
            "misc",
        ]
    )
)


def page_code(path):
    "The code of the notebook at `path`, without magics"
    cells = [c for c in json.loads(path.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    return re.sub(r"^\s*[%!].*$", "pass", "\n".join("".join(c["source"]) for c in cells), flags=re.M)


def test_the_names_for_type_checkers_are_those_of_the_package():
    tree = ast.parse((ROOT / "ssl_nb" / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If)).body
    names = {alias.asname: (node.module, alias.name) for node in block for alias in node.names}
    assert names == {name: (f"ssl_nb.{module}", name) for name, module in ssl_nb.API.items()}


def test_calls_and_names_under_mypy(tmp_path):
    for name in ("right", "wrong"):
        shutil.copy(TYPED / f"{name}.py", tmp_path)
    asked_for = "".join(f"reveal_type(ssl_nb.{name})\n" for name in dir(ssl_nb))
    (tmp_path / "names.py").write_text(f"import ssl_nb\n{asked_for}")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "readme.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", readme, re.S)))
    for page in ("own_code", "colab"):
        (tmp_path / f"{page}.py").write_text(LAX + page_code(ROOT / "nbs" / f"{page}.ipynb"))
    files = sorted(path.name for path in tmp_path.glob("*.py"))
    words = ["--strict", "--follow-imports=silent", "--cache-dir", str(ROOT / "build" / "mypy"), *files]
    done = run("mypy", *words, cwd=tmp_path, MYPYPATH=str(ROOT))
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said = FOUND.findall(done.stdout)
    assert [line for line in said if line[3] and line[0] != "wrong"] == [], "right calls, flagged"
    seen = dict(zip(dir(ssl_nb), [revealed for file, *_, revealed in said if file == "names"], strict=True))
    assert [name for name, revealed in seen.items() if revealed == "Any"] == [], "names without a type"
    asked = {
        (number, line.split("# ")[1].strip())
        for number, line in enumerate((TYPED / "wrong.py").read_text().splitlines(), 1)
        if "# " in line
    }
    flagged = {(int(number), code) for file, number, _, code, _ in said if file == "wrong"}
    assert len(asked) > 30 and flagged == asked, "wrong calls, and what was said of them"
