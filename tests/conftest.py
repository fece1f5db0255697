"What the tests share: a copy of the tree, the built site, the wheel, small runs, warm processes, and their order."

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
import zipfile
from contextlib import ExitStack
from importlib.metadata import PathDistribution, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from filelock import FileLock
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
COLAB = ["ipython", "tensorboard"]
NOT_SOURCE = {".git", ".venv", ".whl", "runs", "build", "dist", "_docs", "_proc", "_proc_site", "__pycache__"}
OURS = [f"ssl_nb.{path.stem}" for path in sorted((ROOT / "ssl_nb").glob("[!_]*.py"))]
CAN_FORK = sys.platform == "linux"  # elsewhere a fork of what has threads is not safe
sys.path.insert(0, str(ROOT / "tools"))
sys.path.append(str(ROOT / "benchmarks"))  # behind all others, as its scripts have common names
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core, a thread a worker


def tree_files():
    """The files of the project, relative to its root: tracked or not ignored

    Without git all but what is known to be built."""
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


def surroundings(**more):
    "The environment of a process that a test starts"
    return {name: v for name, v in os.environ.items() if name not in ("IN_TEST", "PYTHONPATH")} | more


def run(*command, cwd, **environment):
    "Run a command of this environment in `cwd`; returns the finished process with its output as text"
    program = Path(sys.executable).parent / command[0]
    words = [program if program.exists() else command[0], *command[1:]]
    return subprocess.run(words, cwd=cwd, env=surroundings(**environment), capture_output=True, text=True)


class WarmPython:
    "A Python that forks a child for each job, when all that is slow to import has been imported; see warm.py"

    def __init__(self, python):
        # a notebook has to import what it needs; commands are spared our modules too
        ours = OURS if python == sys.executable else []
        self.process = subprocess.Popen(
            [python, ROOT / "tests" / "warm.py", *ours],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=surroundings(),
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n", "warm.py did not start"

    def ask(self, question):
        "The answer to one line"
        print(json.dumps(question), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def start(self, kind, argv, cwd, **environment):
        "Start a job of one `kind`; returns it as a process that runs"
        return Forked(
            self, dict(kind=kind, argv=[*map(str, argv)], cwd=str(cwd), env=surroundings(**environment))
        )

    def run(self, kind, argv, cwd, **environment):
        "Run a job of one `kind`; returns it as a finished process with its output as text"
        process = self.start(kind, argv, cwd, **environment)
        process.wait()
        return subprocess.CompletedProcess(argv, process.returncode, *process.communicate())


class Forked:
    "A process that a warm Python has forked, with what tests ask of one of `subprocess`"

    def __init__(self, python, job):
        self.python, self.returncode, self.folder = python, None, TemporaryDirectory()
        self.files = [Path(self.folder.name, name) for name in ("out", "err")]
        self.pid = python.ask(job | dict(zip(("out", "err"), map(str, self.files))))

    def wait(self):
        "Wait for its end; returns its exit status"
        if self.returncode is None:
            self.returncode = self.python.ask(dict(child=self.pid, wait=True))
        return self.returncode

    def poll(self):
        "Its exit status, None while it runs"
        if self.returncode is None:
            self.returncode = self.python.ask(dict(child=self.pid, wait=False))
        return self.returncode

    def communicate(self, timeout=120):
        "What it wrote to its output and as errors, when it has ended"
        limit = time.monotonic() + timeout
        while self.poll() is None:
            assert time.monotonic() < limit, "it did not end"
            time.sleep(0.01)
        return tuple(file.read_text("utf-8") for file in self.files)

    def send_signal(self, number):
        "Send it a signal"
        os.kill(self.pid, number)

    def kill(self):
        "End it at once"
        self.send_signal(signal.SIGKILL)


warm_python = functools.cache(
    WarmPython
)  # one for each program; all end with the tests, which close their input


def command(*words, cwd, **environment):
    "Run the command `ssl_nb` in a forked process; it says and leaves what one of its own would, 4 seconds earlier"
    if not CAN_FORK:
        return run("ssl_nb", *words, cwd=cwd, **environment)
    return warm_python(sys.executable).run("command", ["ssl_nb", *words], cwd, **environment)


def code(text, *words, cwd, **environment):
    "Run Python code in a forked process"
    if not CAN_FORK:
        return run("python", "-c", text, *words, cwd=cwd, **environment)
    return warm_python(sys.executable).run("code", ["-c", text, *words], cwd, **environment)


def start(*words, cwd, **environment):
    "Start the command `ssl_nb` in a forked process, which heeds Ctrl-C; returns the process"
    if CAN_FORK:
        return warm_python(sys.executable).start("command", ["ssl_nb", *words], cwd, **environment)
    return in_background(Path(sys.executable).with_name("ssl_nb"), *words, cwd=cwd, **environment)


def start_code(text, *words, cwd, **environment):
    "Start Python code in a forked process; returns the process"
    if CAN_FORK:
        return warm_python(sys.executable).start("code", ["-c", text, *words], cwd, **environment)
    return in_background(sys.executable, "-c", text, *words, cwd=cwd, **environment)


def in_background(*words, cwd, **environment):
    "Start a process of its own, which heeds Ctrl-C also if the tests run in the background"
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen(
        words, cwd=cwd, env=surroundings(**environment), text=True, preexec_fn=heed, **pipes
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


@pytest.fixture
def borrowed(tmp_path, monkeypatch):
    "A run around a tiny network of timm, with weights from a file, on 100 digits"
    timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'ssl_nb[borrow]'")
    import torch

    from ssl_nb import borrow

    monkeypatch.setenv("SSL_NB_CACHE", str(tmp_path / "cache"))
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "w.pt")
    how = dict(size=32, n_images=100, out=tmp_path / "borrowed", quiet=True)
    return borrow("digits", "timm/test_resnet", tmp_path / "w.pt", **how)


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once(name, make)` is a folder for all workers

    The first that asks fills it by `make(folder)`, which returns a finished process, while the others wait."""
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
    build = ["python", "tools/build_docs.py", "--offline"]
    return once("built", lambda folder: run(*build, cwd=copy_tree(folder), PYTHONPATH=str(folder)))


@pytest.fixture(scope="module")
def chromium():
    "A headless browser; what needs it is skipped, and says so, where there is none"
    import browse_site

    with ExitStack() as stack:
        try:
            browser = stack.enter_context(browse_site.open_browser())
        except browse_site.NoBrowser as error:
            pytest.skip(str(error))
        yield browser


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
    """An environment of the wheel, what its metadata ask for, and what Colab has beside

    All but the wheel is linked to: it takes gigabytes."""
    venv.create(folder, symlinks=True)
    from colab import BESIDE

    python = folder / "bin" / "python"
    site = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout.strip()
    )
    metadata = next(path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    for dist in needed(
        [*PathDistribution(metadata).requires, *COLAB, *BESIDE.get(extra, [])], extra, {}
    ).values():
        for top in {Path(file).parts[0] for file in dist.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(dist.locate_file(top))
    install = ["pip", "--python", python, "install", "-qq", "--no-deps", "--no-index", "--no-compile", wheel]
    return run("python", "-m", *install, cwd=folder)


@pytest.fixture(scope="session")
def alone(once, wheel):
    """`alone(extra)` is the folder of programs of an environment for one of the extras of the package

    It has nothing but the wheel and what that needs."""
    return lambda extra="": once(f"alone{extra}", lambda folder: make_alone(folder, wheel, extra)) / "bin"


# --- images and small runs that many tests begin with


def digits():
    "Real digits as arrays of 8x8 bytes, and their classes"
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images * 15.9).astype("uint8"), found.target


BRIEF = "--epochs 3 --batch-size 256 --seed 1 --quiet".split()
TINY = ["--encoder", "resnet_small", "--width", "4", *BRIEF]


@pytest.fixture(scope="session")
def trained(once):
    "A folder with one pretraining on the digits, `whole`, run to its end; tests copy it"

    def make(folder):
        folder.mkdir()
        return run("ssl_nb", "pretrain", "--preset", "digits", *TINY, "--out", "whole", cwd=folder)

    return once("trained", make)


# --- which tests run, and in which order

# What takes longest comes first, so that the workers end together; the rest follows file by file.
LONGEST = [
    "[cli.ipynb]",
    "[05_deepcluster.ipynb]",
    "[04_probe.ipynb]",
    "[03_pretrain.ipynb]",
    "[06_report.ipynb]",
    "[08_semi.ipynb]",
    "[13_distributed.ipynb]",
    "[few_labels.ipynb]",
    "[own_code.ipynb]",
    "[start.ipynb]",
    "test_the_widget_in_jupyterlab",
    "test_a_killed_reproduce",
    "test_few_labels_and_predictions",
    "test_clusters_of_a_flat_folder",
    "test_an_interrupted_loop",
    "test_a_label_curve",
    "test_a_run_of_an_earlier_version",
    "test_scikit_learn_has_nothing",
    "test_every_stage_runs",
    "test_wheel_runs_alone",
    "test_site_in_a_browser",
    "test_a_compiled_run",
    "test_calls_and_names_under_mypy",
    "[00_data.ipynb]",
    "[01_augment.ipynb]",
    "test_notebook_runs",
]
UNITS = [
    "test_tree",
    "test_style",
    "test_colab",
    "test_results",
    "test_workflows",
    "test_data",
    "test_augment",
]


def pytest_addoption(parser):
    "The option of `make check`"
    parser.addoption(
        "--changed", action="store_true", help="unit tests, and the notebooks changed since main"
    )


def changed_files():
    "Names of the files that differ from where this branch left main, committed or not, and of new ones"
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout
    base = git("merge-base", "HEAD", "main").strip() or "HEAD"
    return {
        *git("diff", "--name-only", base).splitlines(),
        *git("ls-files", "-o", "--exclude-standard").splitlines(),
    }


def is_wanted(item, changed):
    "Whether a test is one of those that `make check` runs"
    path = getattr(item, "callspec", None) and item.callspec.params.get("path")
    if item.path.stem == "test_notebooks":
        return path.relative_to(ROOT).as_posix() in changed
    return item.path.stem in UNITS or item.path.relative_to(ROOT).as_posix() in changed


def pytest_collection_modifyitems(config, items):
    "The longest first; with `--changed` only what a change asks for"
    if config.getoption("--changed"):
        changed = changed_files()
        config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item, changed)])
        items[:] = [item for item in items if is_wanted(item, changed)]
    rank = lambda item: next((i for i, name in enumerate(LONGEST) if name in item.name), len(LONGEST))
    items.sort(key=rank)
