"""The command line as a user meets it: with mistakes, interrupted, and killed.

What is tested once is a process of its own; where only what a command does is asked, it runs in a forked one.
"""

import csv
import json
import os
import pickle
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import BRIEF, TINY, code, digits, run, start, start_code
from conftest import command as ssl_nb


def in_own_process(*words, cwd, **environment):
    "Run the command `ssl_nb` as a shell does"
    return run("ssl_nb", *words, cwd=cwd, **environment)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, trained):
    "A folder in which one pretraining has been run to its end, in a process of its own"
    folder = tmp_path_factory.mktemp("cli")
    shutil.copytree(trained / "whole", folder / "whole")
    return folder


@pytest.fixture
def mine(tmp_path, trained):
    "A folder with a copy of that pretraining for one test alone"
    shutil.copytree(trained / "whole", tmp_path / "whole")
    return tmp_path


def is_one_line(done, says):
    "Whether a command was refused with one line that `says` something"
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and says in done.stderr, done.stderr
    return True


def history(folder):
    "The rows of a history without what depends on the clock"
    with open(folder / "history.csv", newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_s")}
            for row in csv.DictReader(file)
        ]


# --- mistakes


@pytest.mark.parametrize(
    "words, says",
    [
        ("pretrian", "did you mean 'pretrain'"),
        ("pretrain --epoch 3", "did you mean '--epochs'"),
        ("pretrain --preset mnits", "did you mean 'mnist'"),
        ("pretrain --data mnits", "did you mean 'mnist'"),
        ("demo --temprature 1", "did you mean '--temperature'"),
        ("probe runs/nothing", "no run folder at"),
        ("reproduce digits-dem", "did you mean 'digits-demo'"),
        ("pretrain --epochs 0", "out of range"),
        ("pretrain --device gpu", "unknown device"),
        ("data no/such/folder", "no file or folder has that name"),
        ("presets mnits", "did you mean 'mnist'"),
        ("pretrain --settings gone.ini", "cannot read settings"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(words, says, tmp_path):
    start = time.perf_counter()
    done = in_own_process(*words.split(), cwd=tmp_path)
    seconds = time.perf_counter() - start
    assert is_one_line(done, says) and done.stdout == ""
    assert list(tmp_path.iterdir()) == []
    print(f"answered in {seconds:.1f} s")


def test_mistakes_and_help_import_nothing_heavy(tmp_path):
    heavy = "{'torch', 'fastai', 'sklearn', 'numpy'} & set(sys.modules)"
    text = f"import sys\nfrom ssl_nb.cli import main\nmain({{}})\nprint(sorted({heavy}))"
    for words in (
        ["--help"],
        ["pretrain", "--help"],
        ["pretrain", "--epoch", "3"],
        ["demo", "--preset", "x"],
        ["probe", "runs/x"],
        ["presets", "digits"],
    ):
        done = run("python", "-c", text.replace("{}", str(words)), cwd=tmp_path)
        assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


COMMANDS = """demo data presets pretrain probe finetune semi evaluate predict embed export report push pull
reproduce""".split()
FLAGS = "--epochs --temperature --rotation --out --device --seed --quiet --force --resume".split()


def test_help_names_every_command_and_setting(tmp_path):
    top = in_own_process("--help", cwd=tmp_path).stdout
    assert [name for name in COMMANDS if name not in top] == []
    flags = in_own_process("pretrain", "--help", cwd=tmp_path).stdout
    assert [name for name in FLAGS if name not in flags] == []
    module = run("python", "-m", "ssl_nb", "--version", cwd=tmp_path)
    assert module.stdout == in_own_process("--version", cwd=tmp_path).stdout != ""


@pytest.mark.parametrize(
    "name, content",
    [
        ("settings.ini", "epochs = 3"),
        ("settings.ini", "[digits.pretrain]\nepoch = 3\n"),
        ("settings.ini", "\0\xff"),
    ],
)
def test_a_bad_settings_file_is_one_line(name, content, tmp_path):
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    done = in_own_process("pretrain", "--preset", "digits", "--settings", name, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_data_that_is_not_there_says_what_was_tried(tmp_path):
    nowhere = dict(
        SSL_NB_DATA=str(tmp_path / "none"),
        SSL_NB_CACHE=str(tmp_path / "cache"),
        http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
    )
    done = in_own_process("pretrain", "--preset", "mnist", "--quiet", cwd=tmp_path, **nowhere)
    assert (
        done.returncode == 2
        and "SSL_NB_DATA: " in done.stderr
        and "the download: " in done.stderr
        and done.stderr.count("\n") == 1
    ), done.stderr
    assert not (tmp_path / "runs").exists()


# --- run folders


def test_a_finished_run_is_kept(runs):
    before = (runs / "whole" / "model.safetensors").read_bytes()
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "whole", cwd=runs)
    assert done.returncode == 2 and "--force" in done.stderr
    assert (runs / "whole" / "model.safetensors").read_bytes() == before


def test_a_folder_of_something_else_is_never_written_to(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("a cat")
    for force in ([], ["--force"]):
        done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "photos", *force, cwd=tmp_path)
        assert done.returncode == 2 and "not a run folder" in done.stderr
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.txt"]


def test_the_same_seed_gives_the_same_run(runs):
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "again", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert history(runs / "again") == history(runs / "whole")
    assert (runs / "again" / "model.safetensors").read_bytes() == (
        runs / "whole" / "model.safetensors"
    ).read_bytes()


def start_and_wait_for(file, *words, cwd):
    "Start a command and return its process once `file` is there"
    process = start(*words, cwd=cwd)
    limit = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None and time.monotonic() < limit, "it ended before it could be interrupted"
        time.sleep(0.01)
    return process


def start_and_wait_for_epoch(folder, cwd):
    "Start a pretraining and return its process after its first epoch"
    return start_and_wait_for(
        cwd / folder / "last.ckpt", "pretrain", "--preset", "digits", *TINY, "--out", folder, cwd=cwd
    )


def resumed(folder, cwd):
    "Go on with the run in `folder`"
    return ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", folder, "--resume", cwd=cwd)


@pytest.fixture(scope="module")
def killed(runs):
    "A function that gives a copy of a pretraining killed after its first epoch a name"
    process = start_and_wait_for_epoch("killed", runs)
    process.kill()
    process.communicate(timeout=60)
    return lambda name: shutil.copytree(runs / "killed", runs / name)


def resumes_to_the_same(folder, runs):
    "Whether an interrupted run in `folder` ends as if nothing had happened"
    assert not (runs / folder / "metrics.json").exists()
    refused = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", folder, cwd=runs)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    done = resumed(folder, runs)
    assert done.returncode == 0, done.stderr
    assert history(runs / folder) == history(runs / "whole")
    whole, again = (runs / name / "model.safetensors" for name in ("whole", folder))
    assert again.read_bytes() == whole.read_bytes()


def test_a_run_that_the_user_interrupts_resumes_to_the_same_result(runs):
    process = start_and_wait_for_epoch("stopped", runs)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    resumes_to_the_same("stopped", runs)


def test_a_killed_run_resumes_to_the_same_result(runs, killed):
    killed("goes-on")
    resumes_to_the_same("goes-on", runs)


def test_a_damaged_checkpoint_is_told_and_kept(runs, killed):
    checkpoint = killed("damaged") / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    done = resumed("damaged", runs)
    assert done.returncode == 2 and "not a checkpoint" in done.stderr and done.stderr.count("\n") == 1
    assert checkpoint.stat().st_size == 1000


def test_a_malicious_checkpoint_is_not_run(runs, killed):
    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {runs / 'evil-ran'}",)

    (killed("evil") / "last.ckpt").write_bytes(pickle.dumps(Evil()))
    done = resumed("evil", runs)
    assert done.returncode == 2 and not (runs / "evil-ran").exists()


# --- the line


def test_probe_evaluate_report(mine):
    probe = ssl_nb(*"probe whole --labels-per-class 5 --supervised-steps 20 --quiet".split(), cwd=mine)
    assert probe.returncode == 0 and "50 labels, 500 test images" in probe.stdout, probe.stderr
    scored = ssl_nb("evaluate", "whole", cwd=mine)
    assert scored.returncode == 0 and "macro F1" in scored.stdout
    line = next(line for line in probe.stdout.splitlines() if line.startswith("SimCLR + linear probe"))
    said = float(re.search(r"([\d.]+) %", line)[1]) / 100
    assert float(scored.stdout.split()[1].rstrip(",")) == pytest.approx(said, abs=6e-4)
    report = ssl_nb("report", "whole", "--out", "page.html", cwd=mine)
    assert report.returncode == 0 and (mine / "page.html").read_text(encoding="utf-8").count("<img") >= 5
    again = ssl_nb("probe", "whole", "--quiet", cwd=mine)
    assert again.returncode == 2 and "--force" in again.stderr
    shutil.copytree(mine / "whole", mine / "copy")
    both = ssl_nb("report", "whole", "copy", cwd=mine)
    assert both.returncode == 0
    assert "2 runs side by side" in (mine / "compare.html").read_text(encoding="utf-8")
    wrong = ssl_nb("report", "whole", "whole", cwd=mine)
    assert wrong.returncode == 2 and wrong.stderr == "ssl_nb: whole is named twice\n"


FEW = ["--labels-per-class", "5", "--steps", "40", "--quiet"]


@pytest.fixture(scope="module")
def labelled(once, trained):
    "A folder with a pretraining that was fine-tuned and taught by unlabelled images, and with three scans"

    def make(folder):
        folder.mkdir()
        shutil.copytree(trained / "whole", folder / "whole")
        (folder / "some scans").mkdir()
        for i, digit in enumerate(digits()[0][:3]):
            scan = Image.fromarray(digit).resize((40, 40))
            scan.save(folder / "some scans" / f"scan {i} é.png")
        tuned = ssl_nb("finetune", "whole", *FEW, "--stop", "fixed", cwd=folder)
        said = ("SimCLR + fine-tuning", "supervised from scratch")
        assert tuned.returncode == 0 and all(line in tuned.stdout for line in said), tuned.stderr
        (folder / "brief.ini").write_text("[digits.finetune]\nsteps = 40\n")
        one_round = "--rounds 1 --no-pictures --settings brief.ini".split()
        both = ssl_nb("semi", "whole", *FEW, *one_round, cwd=folder)
        assert both.returncode == 0 and "fine-tuned + unlabelled" in both.stdout, both.stderr
        return both

    return once("labelled", make)


def test_few_labels_and_predictions(labelled):
    told = ssl_nb("predict", "whole", "some scans", "--json", cwd=labelled)
    rows = json.loads(told.stdout)
    assert told.returncode == 0
    assert [Path(row["file"]).name for row in rows] == [f"scan {i} é.png" for i in range(3)]
    assert all(0 < row["probability"] <= 1 and len(row["top"]) == 3 for row in rows)
    table = ssl_nb("predict", "whole", "some scans", "--csv", cwd=labelled).stdout
    assert [row["class"] for row in csv.DictReader(table.splitlines())] == [row["class"] for row in rows]


@pytest.mark.parametrize("name", ["features.npz", "features.parquet"])
def test_features_as_a_table(labelled, tmp_path, name):
    done = ssl_nb("embed", "whole", "some scans", "--out", tmp_path / name, cwd=labelled)
    assert done.returncode == 0 and "3 images" in done.stdout and (tmp_path / name).is_file(), done.stderr


def test_onnx(labelled, tmp_path):
    done = ssl_nb("export", "whole", "--onnx", "--out", tmp_path / "net.onnx", cwd=labelled)
    assert done.returncode == 0 and (tmp_path / "net.onnx").is_file(), done.stderr


def test_mistakes_in_later_stages_change_nothing(labelled, tmp_path):
    for name in ("net.onnx", "features.npz"):
        (tmp_path / name).write_bytes(b"something else")
    before = {path: path.stat().st_mtime_ns for path in (labelled / "whole").rglob("*") if path.is_file()}
    for words, says in (
        (["finetune", "whole", *FEW], "--force"),
        (["semi", "whole", "--method", "fixmach", "--force"], "did you mean 'fixmatch'"),
        (["predict", "whole", tmp_path / "net.onnx"], "no image"),
        (["predict", tmp_path / "features.npz", "some scans"], "not a safetensors file"),
        (["finetune", "whole", "--labels-per-class", "300", "--force"], "fewer than the 300"),
    ):
        wrong = ssl_nb(*words, cwd=labelled)
        assert is_one_line(wrong, says) and wrong.stdout == "", words
    assert before == {
        path: path.stat().st_mtime_ns for path in (labelled / "whole").rglob("*") if path.is_file()
    }


def test_a_label_curve_stopped_by_the_user_goes_on(mine):
    (mine / "brief.ini").write_text("[digits.finetune]\nsteps = 40\nstop = fixed\n")
    words = (
        "probe whole --label-curve --sizes 1,5 --draws 2 --semi-up-to 0 --settings brief.ini --quiet".split()
    )
    curve = mine / "whole" / "curve"
    first = curve / "draw-0" / "labels-1" / "finetune" / "metrics.json"
    process = start_and_wait_for(first, *words, cwd=mine)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    stamp = first.stat().st_mtime_ns
    done = ssl_nb(*words, "--resume", cwd=mine)
    assert done.returncode == 0 and "±" in done.stdout and (curve / "curve.png").is_file(), done.stderr
    assert first.stat().st_mtime_ns == stamp
    arms = json.loads((curve / "metrics.json").read_text(encoding="utf-8"))["arms"]
    assert {size: len(values) for size, values in arms["finetune_acc"].items()} == {"1": 2, "5": 2}


def test_data_and_presets(tmp_path):
    shown = ssl_nb("data", "digits", "--out", "digits.png", cwd=tmp_path)
    assert shown.returncode == 0 and "train 1,097" in shown.stdout
    assert (tmp_path / "digits.png").read_bytes()[:4] == b"\x89PNG"
    assert ssl_nb("presets", cwd=tmp_path).stdout.split()[:2] == ["digits", "mnist"]
    assert "temperature = 0.5" in ssl_nb("presets", "digits", cwd=tmp_path).stdout


@pytest.mark.skipif(
    not (Path(os.environ.get("SSL_NB_DATA") or ".") / "MNIST" / "raw").is_dir(),
    reason="SSL_NB_DATA holds no MNIST",
)
def test_mnist_loads(tmp_path):
    shown = ssl_nb("data", "mnist", cwd=tmp_path)
    assert shown.returncode == 0 and "train 55,000, valid 5,000, test 10,000" in shown.stdout, shown.stderr


# --- records

TWIN = """
import sys
from ssl_nb.experiments import reproduce
out, results = sys.argv[1:]
brief = dict(epochs=3, supervised_steps=5, labels_per_class=5, n_images=400, pictures=False)
reproduce("mnist-linear", 2, out, results, quiet=True, data="digits", image_size=16, batch_size=128, **brief)
"""


def timeless(folder):
    "The record of the twin in `folder` without what depends on the clock"
    record = json.loads((folder / "mnist-linear.json").read_text(encoding="utf-8"))
    del record["seconds"], record["extra"]["stage_seconds"]
    return record


def kill_in_second_seed(folder):
    "Start the twin in `folder` and kill it when its first seed is done and the second has begun"
    process = start_code(TWIN, "killed", "r-killed", cwd=folder)
    limit = time.monotonic() + 180
    while not (folder / "killed" / "mnist" / "seed-1" / "last.ckpt").exists():
        assert process.poll() is None and time.monotonic() < limit, "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()


def test_a_killed_reproduce_goes_on_and_the_record_is_as_if_nothing_had_happened(tmp_path):
    done = code(TWIN, "whole", "r-whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    kill_in_second_seed(tmp_path)
    assert not (tmp_path / "r-killed" / "mnist-linear.json").exists()
    weights = tmp_path / "killed" / "mnist" / "seed-0" / "model.safetensors"
    first = weights.stat().st_mtime_ns
    done = code(TWIN, "killed", "r-killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert weights.stat().st_mtime_ns == first
    assert timeless(tmp_path / "r-killed") == timeless(tmp_path / "r-whole")
    for kept in sorted((tmp_path / "r-whole" / "encoders").iterdir()):
        assert kept.read_bytes() == (tmp_path / "r-killed" / "encoders" / kept.name).read_bytes()


# --- folders


@pytest.fixture
def photos(tmp_path):
    "Ten images of two classes, and two files that are none"
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng(i).integers(0, 256, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{i}.png")
    (tmp_path / "photos" / "cat" / "broken.png").write_bytes(b"no image")
    (tmp_path / "photos" / "notes.txt").write_text("mine")
    return tmp_path


def test_files_that_are_no_images_are_refused_or_skipped_as_the_user_says(photos):
    refused = ssl_nb("pretrain", "--data", "photos", *TINY, "--out", "run", cwd=photos)
    assert is_one_line(refused, "2 of 22 files") and not (photos / "run").exists()
    assert "broken.png (no image)" in refused.stderr and "--bad-files skip" in refused.stderr
    told = ssl_nb("data", "photos", "--bad-files", "skip", cwd=photos)
    assert told.returncode == 0 and "2 files left out:" in told.stdout, told.stderr
    assert "notes.txt (no image)" in told.stdout
    wrong = ssl_nb("data", "photos", "--bad-files", "ignore", cwd=photos)
    assert is_one_line(wrong, "")
    skip = ["--bad-files", "skip", "--batch-size", "8"]
    done = ssl_nb("pretrain", "--data", "photos", *skip, *TINY, "--out", "run", cwd=photos)
    assert done.returncode == 0, done.stderr
    # reads the folder in the same way
    probed = ssl_nb("probe", "run", "--supervised-steps", "5", "--quiet", cwd=photos)
    assert probed.returncode == 0 and ssl_nb("evaluate", "run", cwd=photos).returncode == 0, probed.stderr


def test_training_goes_on_from_an_encoder_on_the_command_line(runs):
    words = ["pretrain", "--preset", "digits", *BRIEF]
    done = ssl_nb(*words, "--encoder", "whole", "--out", "more", cwd=runs)
    assert done.returncode == 0, done.stderr
    settings = json.loads((runs / "more" / "settings.json").read_text(encoding="utf-8"))
    assert settings["parent"]["path"] == "whole"
    unknown = ssl_nb(*words, "--encoder", "whale", "--out", "none", cwd=runs)
    assert unknown.returncode == 2 and "no file or folder has that name" in unknown.stderr
    assert not (runs / "none").exists()


# --- torch.compile


NEWER = ["saturation", "hue", "colour", "roi", "sobel", "reverse", "one_branch", "copies"]


def test_a_run_of_an_earlier_version_goes_on(mine):
    "A run knows the settings that there were when it was made; new ones are what they are when nobody asks"
    file = mine / "whole" / "settings.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    for name in NEWER:
        del settings[name]
    file.write_text(json.dumps(settings), encoding="utf-8")
    for words in (
        "probe whole --labels-per-class 5 --supervised-steps 5",
        "finetune whole --labels-per-class 5 --steps 5 --stop fixed --no-pictures",
        "semi whole --labels-per-class 2 --steps 5 --rounds 1 --no-pictures --no-baselines",
        "cluster whole --method scan --heads 2 --head-epochs 1 --no-pictures",
    ):
        done = ssl_nb(*words.split(), "--quiet", cwd=mine)
        assert done.returncode == 0, (words, done.stderr)


def test_a_compiled_run_leaves_an_ordinary_encoder(tmp_path):
    if not shutil.which("g++") and not shutil.which("clang++"):
        pytest.skip("torch.compile needs a C++ compiler")
    words = "pretrain --preset digits --encoder small_cnn --epochs 1 --n-images 600 --quiet".split()
    done = in_own_process(*words, "--compile", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plain = ssl_nb(*words, "--out", "plain", cwd=tmp_path)
    assert plain.returncode == 0
    from ssl_nb.encoders import read_weights

    a, b = (read_weights(tmp_path / name / "model.safetensors")[1] for name in ("run", "plain"))
    assert a.keys() == b.keys() and not any("_orig_mod" in name for name in a)
    losses = [float(history(tmp_path / name)[0]["loss"]) for name in ("run", "plain")]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_without_a_compiler_compile_is_refused_in_one_line(tmp_path):
    words = "pretrain --preset digits --encoder small_cnn --quiet --compile --out run".split()
    nothing = dict(CXX="/no/compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))
    done = in_own_process(*words, cwd=tmp_path, **nothing)
    assert done.returncode == 2 and "run without --compile" in done.stderr and "Traceback" not in done.stderr


# --- clusters of a folder that no preset knows


@pytest.fixture(scope="module")
def flat(once):
    "A flat folder of 300 digits as images of 16x16 without a label, and a pretraining with the settings for clothes"
    words = "--preset fashion_cluster --epochs 2 --batch-size 64 --quiet --out run".split()

    def make(folder):
        (folder / "my scans é").mkdir(parents=True)
        for i, digit in enumerate(digits()[0][:300]):
            scan = Image.fromarray(digit).resize((16, 16))
            scan.save(folder / "my scans é" / f"{i:03}.png")
        return ssl_nb("pretrain", "--data", "my scans é", *words, cwd=folder)

    return once("flat", make)


@pytest.fixture(scope="module")
def clustered(flat, once):
    "Six clusters of that folder"
    words = "cluster run --method scan --k 6 --heads 2 --head-epochs 2 --quiet".split()

    def make(folder):
        shutil.copytree(flat, folder)
        return ssl_nb(*words, cwd=folder)

    folder = once("clustered", make)
    said = folder.with_name("clustered.log").read_text(encoding="utf-8")
    assert "300 images in 6 clusters" in said and "against the labels" not in said, said
    return folder


def test_clusters_of_a_flat_folder(clustered):
    wanted = "central.png random.png map.png neighbours.png assignments.npz model.safetensors".split()
    assert set(wanted) <= {f.name for f in (clustered / "run/cluster").iterdir()}
    told = ssl_nb("predict", "run/cluster", "my scans é/007.png", "--json", cwd=clustered)
    answer = json.loads(told.stdout)[0]
    assert answer["class"] in [f"cluster {i}" for i in range(6)], told.stderr
    assert 0 < answer["membership"] <= 1
    asked = ssl_nb("evaluate", "run/cluster", cwd=clustered)
    assert asked.returncode == 0 and "300 images in clusters of" in asked.stdout, asked.stderr


def test_mistakes_in_clustering_change_nothing(clustered):
    kept = (clustered / "run/cluster/assignments.npz").read_bytes()
    for words, says in (
        ("--k 301 --out other", "from 1 to 300"),
        ("--k 1 --out other", "take 2 or more"),
        ("--method scna --out other", "did you mean 'scan'"),
        ("--k 6", "--force"),
    ):
        assert is_one_line(ssl_nb("cluster", "run", *words.split(), cwd=clustered), says)
    assert (clustered / "run/cluster/assignments.npz").read_bytes() == kept
    assert not (clustered / "other").exists()


def test_a_number_of_clusters_is_suggested(flat, tmp_path):
    done = ssl_nb("cluster", "run", "--k", "0", "--quiet", "--out", tmp_path / "suggested", cwd=flat)
    assert done.returncode == 0 and "was suggested with" in done.stdout, done.stderr
    assert (tmp_path / "suggested/suggestion.png").is_file()
    m = json.loads((tmp_path / "suggested/metrics.json").read_text(encoding="utf-8"))
    assert len(m["sizes"]) == m["k"] == m["suggested"]["k"]
    assert sum(m["suggested"]["votes"].values()) == pytest.approx(1)


LOOP = (
    """deepcluster --n-clusters 5 --num-iterations 3 --epochs-per-iteration 2 --batch-size 64 --n-init 3
    --no-pictures --quiet --data""".split()
    + ["my scans é"]
)


@pytest.fixture(scope="module")
def loop(flat, once):
    "An alternation of clustering and learning, run to its end"

    def make(folder):
        shutil.copytree(flat, folder)
        return ssl_nb(*LOOP, "--out", "loop", cwd=folder)

    return once("looped", make)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_loop_of_clusters_goes_on_to_the_same_end(how, loop):
    folder = loop / f"loop-{how.name}"
    process = start_and_wait_for(folder / "last.ckpt", *LOOP, "--out", folder.name, cwd=loop)
    os.kill(process.pid, how)
    said = process.communicate(timeout=60)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    assert not (folder / "metrics.json").exists()
    done = ssl_nb(*LOOP, "--out", folder.name, "--resume", cwd=loop)
    assert done.returncode == 0, done.stderr
    assert (folder / "model.safetensors").read_bytes() == (loop / "loop/model.safetensors").read_bytes()
    assert history(folder) == history(loop / "loop")


def test_images_in_which_there_is_nothing_to_tell_apart(tmp_path):
    (tmp_path / "same").mkdir()
    for i in range(12):
        Image.new("L", (16, 16), 90).save(tmp_path / "same" / f"{i}.png")
    wrong = ssl_nb("deepcluster", "--data", "same", "--n-clusters", "3", "--out", "run", cwd=tmp_path)
    shade, said = wrong.stderr.splitlines()
    assert "all of one shade" in shade and "nothing to tell apart" in said and wrong.returncode == 2
    assert not (tmp_path / "run").exists()
