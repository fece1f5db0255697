"Nothing of a user's is lost: foreign folders, two processes, kills at any moment, and files of another run."

import json
import shutil
import signal
import time

import pytest
from PIL import Image

from conftest import TINY, code, digits, run, start
from conftest import command as ssl_nb
from ssl_nb.core import SslNbError
from ssl_nb.runs import claim, finish_run, start_run

PRETRAIN = ["pretrain", "--preset", "digits", *TINY]


@pytest.fixture
def mine(tmp_path, trained):
    "A folder with a copy of a finished pretraining, `whole`"
    shutil.copytree(trained / "whole", tmp_path / "whole")
    return tmp_path


def files(folder):
    "{name: content} of all files below a folder"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read(file):
    return json.loads(file.read_text(encoding="utf-8"))


def is_one_line(done, *says):
    "Whether a command was refused with one line that `says` something"
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert all(what in done.stderr for what in says), done.stderr
    return True


def wait_for(file, process):
    "Wait until a process has written a file"
    limit = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None and time.monotonic() < limit, "it ended too early"
        time.sleep(0.01)
    return process


# --- folders of something else


@pytest.mark.parametrize(
    "settings",
    [
        '{"editor.fontSize": 12}',
        '{"format_version": 1}',
        '{"stage": "pretrain"}',
        "[]",
        "no JSON",
        '{"format_version": "x", "stage": 1}',
    ],
)
def test_a_settings_file_of_something_else_makes_no_run(tmp_path, settings):
    (tmp_path / "proj/src").mkdir(parents=True)
    for name, text in (("settings.json", settings), ("thesis.txt", "years"), ("src/a.py", "code")):
        (tmp_path / "proj" / name).write_text(text)
    before = files(tmp_path)
    for how in ([], ["--force"], ["--resume"]):
        is_one_line(ssl_nb(*PRETRAIN, "--out", "proj", *how, cwd=tmp_path), "not a run folder")
    assert files(tmp_path) == before


def test_force_keeps_what_no_stage_wrote(mine):
    probe = "probe whole --labels-per-class 5 --supervised-steps 5 --quiet".split()
    assert ssl_nb(*probe, cwd=mine).returncode == 0
    shutil.copytree(mine / "whole", mine / "whole/backup")
    own = ["notes.txt", "probe/mine.png", "parts/draft.md", "checkpoints/notes.txt", "photos/map.png"]
    for name in own:
        (mine / "whole" / name).parent.mkdir(exist_ok=True)
        (mine / "whole" / name).write_text(name)
    (mine / "whole/empty").mkdir()
    backup = files(mine / "whole/backup")
    done = ssl_nb(*PRETRAIN, "--out", "whole", "--force", cwd=mine)
    assert done.returncode == 0 and "kept what no stage wrote" in done.stderr, done.stderr
    assert [(mine / "whole" / name).read_text() for name in own] == own
    assert files(mine / "whole/backup") == backup and (mine / "whole/empty").is_dir()
    left = {p.name for p in (mine / "whole").iterdir()}
    made = "history.csv last.ckpt metrics.json model.safetensors settings.json".split()
    assert left == {*made, *"notes.txt probe parts checkpoints photos backup empty".split()}
    assert [p.name for p in (mine / "whole/probe").iterdir()] == ["mine.png"]  # the old run's probe is gone


def test_every_file_of_a_stage_is_known_as_its_own(mine):
    "Or --force would leave files of the run that it replaces"
    from ssl_nb.runs import written

    few = "--labels-per-class 5 --steps 5 --quiet"
    (mine / "brief.ini").write_text("[digits.finetune]\nsteps = 5\nstop = fixed\n")
    for words in (
        "probe whole --labels-per-class 5 --supervised-steps 5 --quiet",
        f"finetune whole {few} --stop valid",
        "cluster whole --k 3 --n-init 1 --quiet",
        "probe whole --label-curve --sizes 1 --draws 1 --semi-up-to 0 --settings brief.ini --quiet",
        "report whole",
        "export whole --onnx",
        "deepcluster --data digits --num-iterations 1 --epochs-per-iteration 1 --n-init 1 --quiet --out loop",
    ):
        done = ssl_nb(*words.split(), cwd=mine)
        assert done.returncode == 0, (words, done.stderr)
    for folder in (mine / "whole", mine / "loop"):
        found = {p for p in folder.rglob("*") if p.is_file()}
        assert found == set(written(folder))


# --- one process for a folder


@pytest.fixture(scope="module")
def living(tmp_path_factory):
    "A folder in which a pretraining has begun and not ended, and its process"
    folder = tmp_path_factory.mktemp("living")
    words = ["pretrain", "--preset", "digits", "--epochs", "100000", "--quiet", "--out", "run"]
    process = wait_for(folder / "run/last.ckpt", start(*words, cwd=folder))
    process.send_signal(signal.SIGSTOP)  # it sleeps, and so leaves the processor to the tests
    yield folder, process
    process.kill()
    process.communicate(timeout=60)


@pytest.mark.parametrize("how", [[], ["--resume"], ["--force"], ["--force", "--epochs", "2"]], ids=" ".join)
def test_a_second_process_is_refused_and_told_of_the_first(living, how):
    folder, process = living
    inode = (folder / "run/settings.json").stat().st_ino
    done = ssl_nb("pretrain", "--preset", "digits", "--quiet", "--out", "run", *how, cwd=folder)
    says = [f"process {process.pid}, since"] if how else ["--resume"]
    assert is_one_line(done, *says)
    assert (folder / "run/settings.json").stat().st_ino == inode and process.poll() is None


def test_two_force_at_once(mine):
    several = [start(*PRETRAIN, "--seed", s, "--out", "whole", "--force", cwd=mine) for s in "01"]
    said = [p.communicate(timeout=120)[1] for p in several]
    assert sorted(p.returncode for p in several) == [0, 2], said
    first = next(p for p in several if p.returncode == 0)
    assert f"by process {first.pid}, since" in "".join(said)
    seed = read(mine / "whole/settings.json")["seed"]
    assert seed == several.index(first)
    assert ssl_nb("report", "whole", cwd=mine).returncode == 0


def test_force_waits_for_a_stage_inside(mine):
    words = "finetune whole --labels-per-class 5 --steps 100000 --stop fixed --quiet".split()
    process = wait_for(mine / "whole/finetune/settings.json", start(*words, cwd=mine))
    process.send_signal(signal.SIGSTOP)
    done = ssl_nb(*PRETRAIN, "--out", "whole", "--force", cwd=mine)
    process.kill()
    process.communicate(timeout=60)
    assert is_one_line(done, f"whole/finetune is being written to by process {process.pid}")
    assert ssl_nb(*PRETRAIN, "--out", "whole", "--force", cwd=mine).returncode == 0  # a kill has freed it
    assert not (mine / "whole/finetune").exists()


def test_a_folder_that_is_moved_in_the_middle_is_noticed(tmp_path):
    words = ["pretrain", "--preset", "digits", "--quiet", "--batch-size", "256", "--epochs"]
    process = wait_for(tmp_path / "run/last.ckpt", start(*words, "3000", "--out", "run", cwd=tmp_path))
    (tmp_path / "run").rename(tmp_path / "moved")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and said.count("\n") == 1 and "was moved or removed" in said, said
    assert [p.name for p in tmp_path.iterdir()] == ["moved"]
    told = ssl_nb(*words, "3000", "--out", "moved", cwd=tmp_path)
    assert is_one_line(told, "moved holds an unfinished run; go on with --resume")


# --- killed at any moment

REPLACING = '''
import os, sys, tempfile, traceback
from pathlib import Path
from ssl_nb import core, runs


def counted(f, left):
    "`f`, but the process is killed when it and its like have been called so often"

    def g(*a, **k):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), 9)
        return f(*a, **k)

    return g


def replace(steps):
    left = [steps]
    for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name), left))
    runs.start_run("run", dict(stage="pretrain", epochs=2), force=True)
    core.write_text("run/model.safetensors", "new")
    runs.finish_run("run", dict(loss=2.0))


def look():
    print(runs.read_settings("run")["epochs"], runs.run_state("run"), file=open("told", "w"))


def small_run(state):
    "A run by hand with a stage inside, and a file of the user's in both"
    for path in map(Path, ("run", "run/probe")):
        runs.start_run(path, dict(stage="pretrain", epochs=1))
        core.write_text(path / "model.safetensors", "old")
        (path / "notes.txt").write_text("mine")
        if state == "finished":
            runs.finish_run(path, dict(loss=1.0))


def forked(f, *words):
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        f(*words)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def one_kill(state, steps):
    assert forked(small_run, state) == 0
    status = forked(replace, steps)
    old = [p for p in (Path("run"), Path("run/.old")) if (p / "metrics.json").is_file()]
    assert status in (0, -9) and (old or state == "unfinished"), "both runs are gone"
    assert forked(look) == 0
    told = Path("told").read_text().strip()
    if told == "1 finished":
        assert Path("run/model.safetensors").read_text() == "old" and runs.is_run("run/probe")
    assert forked(replace, 1000) == 0
    left = {str(p.relative_to("run")): p.read_text() for p in Path("run").rglob("*") if p.is_file()}
    made = ("settings.json", "metrics.json", "model.safetensors", "notes.txt", "probe/notes.txt")
    assert left.keys() == {*made} and left["model.safetensors"] == "new", left
    return status, told


for state in sys.argv[1:]:
    seen = set()
    for steps in range(1000):
        with tempfile.TemporaryDirectory(dir=".") as d:
            home = os.getcwd()
            os.chdir(d)
            status, told = one_kill(state, steps)
            os.chdir(home)
        seen.add(told)
        if status == 0:
            break
    assert steps > 10 and seen >= {f"1 {state}", "2 unfinished", "2 finished"}, (steps, seen)
    print(state, "killed at", steps, "steps")
'''


def test_a_replacement_can_be_killed_at_any_step(tmp_path):
    done = run("python", "-c", REPLACING, "finished", "unfinished", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.count("killed at") == 2, done.stdout + done.stderr


KILLED_AT = """
import os, signal, sys
name, words = sys.argv[1], sys.argv[2:]
f = os.replace
def g(a, b, *k):
    if str(b).endswith(name):
        os.kill(os.getpid(), signal.SIGKILL)
    return f(a, b, *k)
os.replace = g
from ssl_nb.cli import main
sys.exit(main(words))
"""


@pytest.mark.parametrize("file", ["settings.json", "last.ckpt", "model.safetensors", "metrics.json"])
def test_after_a_killed_force_the_command_goes_on_and_nothing_is_left(file, mine, trained):
    words = [*PRETRAIN, "--out", "whole"]
    killed = code(KILLED_AT, file, *words, "--force", cwd=mine)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    refused = ssl_nb(*words, cwd=mine)
    if file == "settings.json":
        assert refused.returncode == 2 and "the earlier run is back" in refused.stderr
        assert files(mine / "whole") == files(trained / "whole")
        words += ["--force"]
    else:
        assert is_one_line(refused, "--resume", "kept in whole/.old until then")
        if file != "metrics.json":  # with that, the weights are whole and can be probed
            is_one_line(ssl_nb("probe", "whole", "--quiet", cwd=mine), "not finished", "kept in whole/.old")
        words += ["--resume"]
    done = ssl_nb(*words, cwd=mine)
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (mine / "whole").iterdir()} == {p.name for p in (trained / "whole").iterdir()}
    weights = [(home / "whole/model.safetensors").read_bytes() for home in (mine, trained)]
    assert weights[0] == weights[1]


def test_a_run_killed_before_it_wrote_anything_can_be_started_again(tmp_path):
    words = [*PRETRAIN, "--out", "run"]
    assert code(KILLED_AT, "settings.json", *words, cwd=tmp_path).returncode == -signal.SIGKILL
    assert (tmp_path / "run").is_dir()
    for how in ([], ["--force"]):
        done = ssl_nb(*words, *how, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert not [p.name for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]


SCORED = """
import os, sys
from ssl_nb import experiments
from ssl_nb.experiments import reproduce
from ssl_nb.records import RECORDS, Experiment, cell
if sys.argv[1] == 'kill':
    experiments.log_scoring = lambda *a: os.kill(os.getpid(), 9)
cells = dict(pretrain=cell('pretrain'), cluster=cell('cluster', of='pretrain'))
RECORDS['tiny'] = Experiment('digits', 1, cells, metrics=('cluster_acc',), scored='k-means, ')
reproduce('tiny', quiet=True, epochs=1, pictures=False, n_init=1)
"""


def test_a_scoring_is_noted_although_reproduce_was_killed_before_it(tmp_path):
    assert code(SCORED, "kill", cwd=tmp_path).returncode == -signal.SIGKILL
    for _ in range(2):
        done = code(SCORED, "go on", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / "results/scorings.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 2 and "tiny,0" in lines[1]
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith((".unscored", ".tmp"))]


# --- files of another run


@pytest.fixture
def another(mine):
    "Beside `whole` a run of another seed"
    done = ssl_nb(*PRETRAIN, "--seed", "7", "--out", "other", cwd=mine)
    assert done.returncode == 0, done.stderr
    return mine


@pytest.mark.parametrize(
    "name, says",
    [
        ("settings.json", "of two different runs"),
        ("metrics.json", "of two different runs"),
        ("model.safetensors", "model.safetensors is not the one that this run wrote"),
        ("history.csv", "history.csv has 1 rows, but the run wrote 3"),
    ],
)
def test_a_file_of_another_run_is_noticed(name, says, another):
    file = another / "whole" / name
    if name == "history.csv":
        file.write_text("".join(file.read_text().splitlines(True)[:2]))
    else:
        shutil.copy(another / "other" / name, file)
    for words in ("report whole", "probe whole", "cluster whole", "evaluate whole"):
        assert is_one_line(ssl_nb(*words.split(), cwd=another), says)


def test_a_checkpoint_of_another_run_is_noticed(another):
    (another / "whole/metrics.json").unlink()
    shutil.copy(another / "other/last.ckpt", another / "whole/last.ckpt")
    words = [*PRETRAIN, "--out", "whole", "--resume"]
    assert is_one_line(ssl_nb(*words, cwd=another), "last.ckpt is a checkpoint of another run")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_goes_on_in_its_own_precision(precision, tmp_path):
    "On this machine `auto` stands for one of the two"
    words = [*PRETRAIN, "--out", "run"]
    killed = code(KILLED_AT, "model.safetensors", *words, "--precision", precision, cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    was = read(tmp_path / "run/settings.json")["precision"]
    other = dict(fp32="bf16", bf16="fp32")[precision]
    assert is_one_line(ssl_nb(*words, "--resume", "--precision", other, cwd=tmp_path), "precision = ")
    done = ssl_nb(*words, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "run/settings.json")["precision"] == was


def test_a_training_on_the_side_goes_on_in_its_own_precision(tmp_path):
    import torch

    from ssl_nb.data import Batches
    from ssl_nb.training import TrainingCallback, train

    class Killed(TrainingCallback):
        order = 99

        def after_train(self):
            raise KeyboardInterrupt

    x = torch.randn(8, 3)
    run = lambda dtype, cbs=(): train(
        (net := torch.nn.Linear(3, 2)),
        Batches(x, torch.arange(8) % 2, 4, seed=0),
        torch.nn.functional.cross_entropy,
        3,
        torch.optim.SGD(net.parameters(), lr=0.1),
        cbs=cbs,
        out=tmp_path,
        dtype=dtype,
    )
    with pytest.raises(KeyboardInterrupt):
        run(torch.bfloat16, [Killed()])
    run(None)
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert (saved["epoch"], saved["precision"]) == (3, "bfloat16")


# --- where the user's folder is, or is not


@pytest.fixture
def photos(tmp_path):
    "Twenty images of two classes in `photos`"
    for i, (x, y) in enumerate([(x, y) for x, y in zip(*digits()) if y < 2][:20]):
        (tmp_path / "photos" / str(y)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).resize((16, 16)).save(tmp_path / "photos" / str(y) / f"{i}.png")
    return tmp_path


def test_a_tilde_is_the_users_folder(photos):
    at = dict(cwd=photos / "photos", HOME=str(photos))
    (photos / "own.ini").write_text("[digits.pretrain]\ntemperature = 0.4\n")
    words = [
        "pretrain",
        "--preset",
        "digits",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--image-size",
        "16",
        "--quiet",
    ]
    done = ssl_nb(*words, "--data=~/photos", "--out=~/run", "--settings=~/own.ini", **at)
    assert done.returncode == 0, done.stderr
    settings = read(photos / "run/settings.json")
    assert (settings["temperature"], settings["data"]) == (0.4, f"{photos}/photos")
    done = ssl_nb("embed", "~/run", "~/photos", "--out=~/features.npz", **at)
    assert done.returncode == 0 and (photos / "features.npz").is_file(), done.stderr
    text = "from ssl_nb import load_data, load_run\nprint(len(load_data('~/photos').pile), load_run('~/run'))"
    done = code(text, **at)
    assert done.returncode == 0 and "/run" in done.stdout, done.stderr
    assert not (photos / "photos/~").exists()


NOBODY = """
import os, pathlib, sys
def home():
    raise RuntimeError('Could not determine home directory.')
pathlib.Path.home = home
for name in ('HOME', 'XDG_CACHE_HOME', 'SSL_NB_CACHE', 'SSL_NB_DATA'):
    os.environ.pop(name, None)
from ssl_nb import data
data._worth = 1, 1
from ssl_nb.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_user_without_a_home_reads_folders_and_is_told_of_data_sets(photos):
    words = "pretrain --data photos --epochs 1 --batch-size 8 --quiet --out run".split()
    done = code(NOBODY, *words, cwd=photos)
    assert done.returncode == 0 and "set SSL_NB_CACHE to a folder" in done.stderr, done.stderr
    wrong = code(NOBODY, "data", "mnist", cwd=photos)
    assert is_one_line(wrong, "was not found", "SSL_NB_DATA")


# --- Ctrl-C before anything was learned

INTERRUPTED = """
import sys
where, words = sys.argv[1], sys.argv[2:]
from importlib import import_module
module, owner, name = where.split(':')
home = import_module(f'ssl_nb.{module}')
def interrupt(*a, **k):
    raise KeyboardInterrupt
setattr(getattr(home, owner) if owner else home, name, interrupt)
from ssl_nb.cli import main
sys.exit(main(words))
"""


@pytest.mark.parametrize(
    "where",
    [
        "pretraining::load_data",
        "pretraining:SimCLR:__init__",
        "training:Schedule:before_fit",
        "training:Bar:before_fit",
        "training:History:before_train",
        "training:InPrecision:before_batch",
    ],
)
def test_ctrl_c_before_the_first_epoch_is_one_line(where, tmp_path):
    words = [*PRETRAIN, "--precision", "bf16", "--out", "run"]
    done = code(INTERRUPTED, where, *words, cwd=tmp_path)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("\nssl_nb: interrupted") and done.stderr.count("\n") == 2


def test_a_lock_that_a_killed_process_left_in_a_finished_run_goes_away(tmp_path):
    path = tmp_path / "run"
    start_run(path, dict(stage="pretrain", epochs=1))
    finish_run(path, dict(loss=1.0))
    left = [path / ".lock", path / ".writing.json"]
    for file in left:
        file.write_text("{}")
    with pytest.raises(SslNbError, match="holds a finished run"):
        claim(path, resume=True)
    assert not any(file.exists() for file in left)
