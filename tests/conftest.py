"What the tests share: a copy of the tree to work in, the built site, the wheel and places with nothing else, and their order, quick ones first."

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import PathDistribution, distribution
from pathlib import Path

import pytest
from filelock import FileLock
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
ORDER = [
    "test_tree",
    "test_colab",
    "test_api",
    "test_cli",
    "test_notebooks",
    "test_site",
    "test_quarto",
    "test_wheel",
]
COLAB = ["ipython", "tensorboard"]
NOT_SOURCE = {".git", ".venv", ".whl", "runs", "build", "dist", "_docs", "_proc", "_proc_site", "__pycache__"}
sys.path.insert(0, str(ROOT / "tools"))
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core, a thread a worker


def tree_files():
    "The files of the project, relative to its root: tracked or not ignored; without git all but what is known to be built"
    git = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if git.returncode:
        names = [
            path.relative_to(ROOT)
            for path in ROOT.rglob("*")
            if not NOT_SOURCE.intersection(path.relative_to(ROOT).parts)
        ]
    else:
        names = [Path(name) for name in git.stdout.split("\0") if name]
    return sorted(name for name in set(names) if (ROOT / name).is_file())


def run(*command, cwd, **environment):
    "Run a command of this environment in `cwd`; returns the finished process with its output as text"
    known = {name: value for name, value in os.environ.items() if name not in ("IN_TEST", "PYTHONPATH")}
    program = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [program if program.exists() else command[0], *command[1:]],
        cwd=cwd,
        env=known | environment,
        capture_output=True,
        text=True,
    )


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
def once(tmp_path_factory):
    "`once(name, make)` is a folder for all workers, which the first that asks fills by `make(folder)`, a finished process, while others wait"
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def folder_of(name, make):
        folder, log = shared / name, shared / f"{name}.log"
        with FileLock(shared / f"{name}.lock"):
            if not log.exists():
                done = make(folder)
                log.write_text(f"status {done.returncode}\n{done.stdout}{done.stderr}", encoding="utf-8")
        text = log.read_text(encoding="utf-8")
        assert text.startswith("status 0\n"), text
        return folder

    return folder_of


@pytest.fixture(scope="session")
def built(once):
    "A copy of the project in which the site was built without Quarto"
    return once(
        "built",
        lambda folder: run(
            "python", "tools/build_docs.py", "--offline", cwd=copy_tree(folder), PYTHONPATH=str(folder)
        ),
    )


@pytest.fixture(scope="session")
def wheel(once):
    "A wheel built from an sdist of the tree, as a release is"
    build = lambda folder: run(
        "python", "-m", "build", "--no-isolation", "--outdir", "wheels", cwd=copy_tree(folder)
    )
    return next((once("release", build) / "wheels").glob("*.whl"))


def needed(requirements, extra, found):
    "Add to `found` the distributions that `requirements` lead to on this machine, as they are installed here"
    for requirement in map(Requirement, requirements or ()):
        if requirement.marker and not requirement.marker.evaluate(dict(extra=extra)):
            continue
        for key in ((requirement.name.lower(), e) for e in ("", *requirement.extras)):
            if key in found:
                continue
            found[key] = distribution(key[0])
            needed(found[key].requires, key[1], found)
    return found


def make_alone(folder, wheel, extra):
    "An environment of the wheel, what its metadata ask for, and what Colab has beside; all but the wheel is linked to: it takes gigabytes"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    )
    metadata = next(path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    for dist in needed([*PathDistribution(metadata).requires, *COLAB], extra, {}).values():
        for top in {Path(file).parts[0] for file in dist.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(dist.locate_file(top))
    return run(
        "python",
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-qq",
        "--no-deps",
        "--no-index",
        "--no-compile",
        wheel,
        cwd=folder,
    )


@pytest.fixture(scope="session")
def alone(once, wheel):
    "`alone(extra)` is the folder of programs of an environment with nothing but the wheel and what it needs, for one of its extras"
    return lambda extra="": once(f"alone{extra}", lambda folder: make_alone(folder, wheel, extra)) / "bin"


def pytest_collection_modifyitems(items):
    "Quick files first; a file without a place in ORDER comes before the notebooks"
    place = {name: i for i, name in enumerate(ORDER)}
    items.sort(key=lambda item: place.get(item.path.stem, ORDER.index("test_notebooks") - 0.5))
