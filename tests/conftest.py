"What the tests share: a copy of the tree to work in, the built site, and their order, quick ones first."
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["test_tree", "test_api", "test_cli", "test_notebooks", "test_site", "test_quarto", "test_wheel"]
NOT_SOURCE = {".git", ".venv", ".whl", "runs", "build", "dist", "_docs", "_proc", "_proc_site", "__pycache__"}
sys.path.insert(0, str(ROOT / "tools"))
if "PYTEST_XDIST_WORKER" in os.environ: os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core, a thread a worker


def tree_files():
    "The files of the project, relative to its root: tracked or not ignored; without git all but what is known to be built"
    git = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if git.returncode: names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if not NOT_SOURCE.intersection(path.relative_to(ROOT).parts)]
    else: names = [Path(name) for name in git.stdout.split("\0") if name]
    return sorted(name for name in set(names) if (ROOT / name).is_file())


def run(*command, cwd, **environment):
    "Run a command of this environment in `cwd`; returns the finished process with its output as text"
    known = {name: value for name, value in os.environ.items() if name not in ("IN_TEST", "PYTHONPATH")}
    program = Path(sys.executable).parent / command[0]
    return subprocess.run([program if program.exists() else command[0], *command[1:]], cwd=cwd, env=known | environment, capture_output=True, text=True)


def copy_tree(folder):
    "Copy the project's files to `folder`; returns it"
    for name in tree_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    return folder


@pytest.fixture
def tree(tmp_path):
    "A copy of the project's files"
    return copy_tree(tmp_path / "tree")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    "A copy of the project in which the site was built without Quarto; the first worker that needs it builds, others wait"
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ: shared = shared.parent
    folder, log = shared / "built", shared / "built.log"
    with FileLock(shared / "built.lock"):
        if not log.exists():
            done = run("python", "tools/build_docs.py", "--offline", cwd=copy_tree(folder), PYTHONPATH=str(folder))
            log.write_text(f"status {done.returncode}\n{done.stdout}{done.stderr}", encoding="utf-8")
    text = log.read_text(encoding="utf-8")
    assert text.startswith("status 0\n"), text
    return folder


def pytest_collection_modifyitems(items):
    "Quick files first; a file without a place in ORDER comes before the notebooks"
    place = {name: i for i, name in enumerate(ORDER)}
    items.sort(key=lambda item: place.get(item.path.stem, ORDER.index("test_notebooks") - .5))
