"The command line as a user meets it: in a process of its own, with mistakes, interrupted, and killed."

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from conftest import run

TINY = ["--epochs", "3", "--batch-size", "256", "--seed", "1", "--quiet"]


def ssl_nb(*words, cwd, **environment):
    "Run the command in `cwd`"
    return run("ssl_nb", *words, cwd=cwd, **environment)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    "A folder in which one pretraining has been run to its end"
    folder = tmp_path_factory.mktemp("cli")
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "whole", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


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
        ("data no/such/folder", "no file or folder of that name"),
        ("presets mnits", "did you mean 'mnist'"),
        ("pretrain --settings gone.ini", "cannot read settings"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(words, says, tmp_path):
    start = time.perf_counter()
    done = ssl_nb(*words.split(), cwd=tmp_path)
    seconds = time.perf_counter() - start
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and says in done.stderr, (
        done.stderr
    )
    assert list(tmp_path.iterdir()) == []
    print(f"answered in {seconds:.1f} s")


def test_mistakes_and_help_import_nothing_heavy(tmp_path):
    code = "import sys\nfrom ssl_nb.cli import main\nmain({}); print(sorted({{'torch', 'fastai', 'sklearn', 'numpy'}} & set(sys.modules)))"
    for words in (
        ["--help"],
        ["pretrain", "--help"],
        ["pretrain", "--epoch", "3"],
        ["demo", "--preset", "x"],
        ["probe", "runs/x"],
        ["presets", "digits"],
    ):
        done = run("python", "-c", code.format(words), cwd=tmp_path)
        assert done.stdout.endswith("[]\n"), done.stdout + done.stderr


def test_help_names_every_command_and_setting(tmp_path):
    top = ssl_nb("--help", cwd=tmp_path).stdout
    assert [
        c
        for c in "demo data presets pretrain probe finetune semi evaluate predict embed export report reproduce".split()
        if c not in top
    ] == []
    flags = ssl_nb("pretrain", "--help", cwd=tmp_path).stdout
    assert [
        f
        for f in "--epochs --temperature --rotation --out --device --seed --quiet --force --resume".split()
        if f not in flags
    ] == []
    module = run("python", "-m", "ssl_nb", "--version", cwd=tmp_path)
    assert module.stdout == ssl_nb("--version", cwd=tmp_path).stdout != ""


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
    done = ssl_nb("pretrain", "--preset", "digits", "--settings", name, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_data_that_is_not_there_says_what_was_tried(tmp_path):
    nowhere = dict(
        SSL_NB_DATA=str(tmp_path / "none"),
        SSL_NB_CACHE=str(tmp_path / "cache"),
        http_proxy="http://127.0.0.1:9",
        https_proxy="http://127.0.0.1:9",
    )
    done = ssl_nb("pretrain", "--preset", "mnist", "--quiet", cwd=tmp_path, **nowhere)
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
    heed = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a test run in the background would hand down that Ctrl-C is ignored
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ssl_nb"), *words],
        cwd=cwd,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
    )
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


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_run_resumes_to_the_same_result(how, runs):
    folder = f"stopped-{how.name}"
    process = start_and_wait_for_epoch(folder, runs)
    os.kill(process.pid, how)
    said = process.communicate(timeout=60)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    assert not (runs / folder / "metrics.json").exists()
    refused = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", folder, cwd=runs)
    assert refused.returncode == 2 and "--resume" in refused.stderr
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", folder, "--resume", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert history(runs / folder) == history(runs / "whole")
    assert (runs / folder / "model.safetensors").read_bytes() == (
        runs / "whole" / "model.safetensors"
    ).read_bytes()


def test_a_damaged_checkpoint_is_told_and_kept(runs):
    folder = runs / "damaged"
    process = start_and_wait_for_epoch("damaged", runs)
    process.kill()
    process.wait()
    (folder / "last.ckpt").write_bytes((folder / "last.ckpt").read_bytes()[:1000])
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "damaged", "--resume", cwd=runs)
    assert done.returncode == 2 and "not a checkpoint" in done.stderr and done.stderr.count("\n") == 1
    assert (folder / "last.ckpt").stat().st_size == 1000


def test_a_malicious_checkpoint_is_not_run(runs):
    import pickle

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {runs / 'evil-ran'}",)

    folder = runs / "evil"
    process = start_and_wait_for_epoch("evil", runs)
    process.kill()
    process.wait()
    (folder / "last.ckpt").write_bytes(pickle.dumps(Evil()))
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--out", "evil", "--resume", cwd=runs)
    assert done.returncode == 2 and not (runs / "evil-ran").exists()


# --- the line


def test_probe_evaluate_report(runs):
    probe = ssl_nb(
        "probe", "whole", "--labels-per-class", "5", "--supervised-steps", "20", "--quiet", cwd=runs
    )
    assert probe.returncode == 0 and "50 labels, 500 test images" in probe.stdout, probe.stderr
    scored = ssl_nb("evaluate", "whole", cwd=runs)
    assert scored.returncode == 0 and "macro F1" in scored.stdout
    line = next(line for line in probe.stdout.splitlines() if line.startswith("SimCLR + linear probe"))
    assert float(scored.stdout.split()[1].rstrip(",")) == pytest.approx(
        float(line.split()[-2]) / 100, abs=6e-4
    )
    report = ssl_nb("report", "whole", "--out", "page.html", cwd=runs)
    assert report.returncode == 0 and (runs / "page.html").read_text(encoding="utf-8").count("<img") >= 5
    again = ssl_nb("probe", "whole", "--quiet", cwd=runs)
    assert again.returncode == 2 and "--force" in again.stderr
    shutil.copytree(runs / "whole", runs / "copy")
    both = ssl_nb("report", "whole", "copy", cwd=runs)
    assert both.returncode == 0 and "2 runs side by side" in (runs / "compare.html").read_text(
        encoding="utf-8"
    )
    wrong = ssl_nb("report", "whole", "whole", cwd=runs)
    assert wrong.returncode == 2 and wrong.stderr == "ssl_nb: whole is named twice\n"


FEW = ["--labels-per-class", "5", "--steps", "40", "--quiet"]


def test_few_labels_predict_embed_export(runs):
    "The line from a run folder to a classifier, its answers for files, a table of features and ONNX"
    import numpy as np
    from PIL import Image

    (runs / "some scans").mkdir()
    for i, digit in enumerate(np.load(make_scans(runs))):
        Image.fromarray(digit).resize((40, 40)).save(runs / "some scans" / f"scan {i} é.png")
    tuned = ssl_nb("finetune", "whole", *FEW, "--stop", "fixed", cwd=runs)
    assert (
        tuned.returncode == 0
        and "SimCLR + fine-tuning" in tuned.stdout
        and "supervised from scratch" in tuned.stdout
    ), tuned.stderr
    both = ssl_nb("semi", "whole", *FEW, "--rounds", "1", "--no-pictures", cwd=runs)
    assert both.returncode == 0 and "fine-tuned + unlabelled" in both.stdout, both.stderr
    told = ssl_nb("predict", "whole", "some scans", "--json", cwd=runs)
    rows = json.loads(told.stdout)
    assert told.returncode == 0 and [Path(row["file"]).name for row in rows] == [
        f"scan {i} é.png" for i in range(3)
    ]
    assert all(0 < row["probability"] <= 1 and len(row["top"]) == 3 for row in rows)
    listed = list(
        csv.DictReader(ssl_nb("predict", "whole", "some scans", "--csv", cwd=runs).stdout.splitlines())
    )
    assert [row["class"] for row in listed] == [row["class"] for row in rows]
    for name in ("features.npz", "features.parquet"):
        done = ssl_nb("embed", "whole", "some scans", "--out", name, cwd=runs)
        assert done.returncode == 0 and "3 images" in done.stdout and (runs / name).is_file(), done.stderr
    done = ssl_nb("export", "whole", "--onnx", "--out", "net.onnx", cwd=runs)
    assert done.returncode == 0 and (runs / "net.onnx").is_file(), done.stderr
    before = {path: path.stat().st_mtime_ns for path in (runs / "whole").rglob("*") if path.is_file()}
    for words, says in (
        (("finetune", "whole", *FEW), "--force"),
        (("semi", "whole", "--method", "fixmach", "--force"), "did you mean 'fixmatch'"),
        (("predict", "whole", "net.onnx"), "no image"),
        (("predict", "features.npz", "some scans"), "not a safetensors file"),
        (("finetune", "whole", "--labels-per-class", "300", "--force"), "fewer than the 300"),
    ):
        wrong = ssl_nb(*words, cwd=runs)
        assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (
            2,
            "",
            1,
        ) and says in wrong.stderr, (words, wrong.stderr)
    assert before == {path: path.stat().st_mtime_ns for path in (runs / "whole").rglob("*") if path.is_file()}


def make_scans(folder):
    "A file with three digits as arrays"
    done = run(
        "python",
        "-c",
        "import numpy as np; from ssl_nb import load_data; np.save('digits.npy', load_data('digits').test.x[:3,0].numpy())",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder / "digits.npy"


def test_a_label_curve_stopped_by_the_user_goes_on(runs):
    (runs / "brief.ini").write_text("[digits.finetune]\nsteps = 40\nstop = fixed\n")
    words = [
        "probe",
        "whole",
        "--label-curve",
        "--sizes",
        "1,5",
        "--draws",
        "2",
        "--semi-up-to",
        "0",
        "--settings",
        "brief.ini",
        "--quiet",
    ]
    first = runs / "whole" / "curve" / "draw-0" / "labels-1" / "finetune" / "metrics.json"
    process = start_and_wait_for(first, *words, cwd=runs)
    os.kill(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    stamp = first.stat().st_mtime_ns
    done = ssl_nb(*words, "--resume", cwd=runs)
    assert (
        done.returncode == 0 and "±" in done.stdout and (runs / "whole" / "curve" / "curve.png").is_file()
    ), done.stderr
    assert first.stat().st_mtime_ns == stamp
    arms = json.loads((runs / "whole" / "curve" / "metrics.json").read_text(encoding="utf-8"))["arms"]
    assert {size: len(values) for size, values in arms["finetune_acc"].items()} == {"1": 2, "5": 2}


def test_data_and_presets(tmp_path):
    shown = ssl_nb("data", "digits", "--out", "digits.png", cwd=tmp_path)
    assert (
        shown.returncode == 0
        and "train 1,097" in shown.stdout
        and (tmp_path / "digits.png").read_bytes()[:4] == b"\x89PNG"
    )
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
reproduce("mnist-linear", 2, out, results, quiet=True, data="digits", image_size=16, batch_size=128, epochs=6, supervised_steps=5, labels_per_class=5)
"""


def test_a_killed_reproduce_goes_on_and_the_record_is_as_if_nothing_had_happened(tmp_path):
    def timeless(name):
        record = json.loads((tmp_path / name / "mnist-linear.json").read_text(encoding="utf-8"))
        del record["seconds"], record["extra"]["stage_seconds"]
        return record

    done = run("python", "-c", TWIN, "whole", "r-whole", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    python = Path(sys.executable)
    process = subprocess.Popen(
        [python, "-c", TWIN, "killed", "r-killed"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    limit = time.monotonic() + 180
    while not (
        tmp_path / "killed" / "mnist" / "seed-1" / "last.ckpt"
    ).exists():  # seed 0 is done, seed 1 is under way
        assert process.poll() is None and time.monotonic() < limit, "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (tmp_path / "r-killed" / "mnist-linear.json").exists()
    first = (tmp_path / "killed" / "mnist" / "seed-0" / "model.safetensors").stat().st_mtime_ns
    done = run("python", "-c", TWIN, "killed", "r-killed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed" / "mnist" / "seed-0" / "model.safetensors").stat().st_mtime_ns == first
    assert timeless("r-killed") == timeless("r-whole")
    for kept in sorted((tmp_path / "r-whole" / "encoders").iterdir()):
        assert kept.read_bytes() == (tmp_path / "r-killed" / "encoders" / kept.name).read_bytes()


# --- folders


@pytest.fixture
def photos(tmp_path):
    "Ten images of two classes, and two files that are none"
    import numpy as np
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(np.random.default_rng(i).integers(0, 256, (12, 12), dtype=np.uint8)).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    (tmp_path / "photos" / "cat" / "broken.png").write_bytes(b"no image")
    (tmp_path / "photos" / "notes.txt").write_text("mine")
    return tmp_path


def test_files_that_are_no_images_are_refused_or_skipped_as_the_user_says(photos):
    refused = ssl_nb("pretrain", "--data", "photos", *TINY, "--out", "run", cwd=photos)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and not (photos / "run").exists()
    assert (
        "2 of 22 files" in refused.stderr
        and "broken.png (no image)" in refused.stderr
        and "--bad-files skip" in refused.stderr
    )
    told = ssl_nb("data", "photos", "--bad-files", "skip", cwd=photos)
    assert (
        told.returncode == 0 and "2 files left out:" in told.stdout and "notes.txt (no image)" in told.stdout
    ), told.stderr
    wrong = ssl_nb("data", "photos", "--bad-files", "ignore", cwd=photos)
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1
    done = ssl_nb(
        "pretrain",
        "--data",
        "photos",
        "--bad-files",
        "skip",
        "--batch-size",
        "8",
        *TINY,
        "--out",
        "run",
        cwd=photos,
    )
    assert done.returncode == 0, done.stderr
    probed = ssl_nb(
        "probe", "run", "--supervised-steps", "5", "--quiet", cwd=photos
    )  # reads the folder in the same way
    assert probed.returncode == 0 and ssl_nb("evaluate", "run", cwd=photos).returncode == 0, probed.stderr


def test_training_goes_on_from_an_encoder_on_the_command_line(runs):
    done = ssl_nb("pretrain", "--preset", "digits", *TINY, "--encoder", "whole", "--out", "more", cwd=runs)
    assert done.returncode == 0, done.stderr
    assert (
        json.loads((runs / "more" / "settings.json").read_text(encoding="utf-8"))["parent"]["path"] == "whole"
    )
    unknown = ssl_nb("pretrain", "--preset", "digits", *TINY, "--encoder", "whale", "--out", "none", cwd=runs)
    assert (
        unknown.returncode == 2
        and "no file or folder of that name" in unknown.stderr
        and not (runs / "none").exists()
    )


# --- torch.compile


def test_a_run_of_an_earlier_version_goes_on(runs, tmp_path):
    "A run knows the settings that there were when it was made; new ones are what they are when nobody asks for them"
    stages = lambda folder, names: [
        n for n in names if (Path(folder) / n).is_dir()
    ]  # which other tests may have left there
    shutil.copytree(runs / "whole", tmp_path / "old", ignore=stages)
    file = tmp_path / "old" / "settings.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    for name in ("saturation", "hue", "colour", "roi", "sobel", "reverse", "one_branch"):
        del settings[name]
    file.write_text(json.dumps(settings), encoding="utf-8")
    for words in (
        ["probe", "old", "--labels-per-class", "5", "--supervised-steps", "5"],
        ["finetune", "old", "--labels-per-class", "5", "--steps", "5"],
        ["semi", "old", "--labels-per-class", "2", "--steps", "5", "--rounds", "1"],
        ["cluster", "old", "--method", "scan", "--heads", "2", "--head-epochs", "1", "--no-pictures"],
    ):
        done = ssl_nb(*words, "--quiet", cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)


def test_a_compiled_run_leaves_an_ordinary_encoder(tmp_path):
    if not shutil.which("g++") and not shutil.which("clang++"):
        pytest.skip("torch.compile needs a C++ compiler")
    done = ssl_nb(
        "pretrain", "--preset", "digits", *TINY, "--epochs", "1", "--compile", "--out", "run", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    plain = ssl_nb("pretrain", "--preset", "digits", *TINY, "--epochs", "1", "--out", "plain", cwd=tmp_path)
    assert plain.returncode == 0
    from ssl_nb.stages import load_encoder

    a, b = (load_encoder(tmp_path / name).state_dict() for name in ("run", "plain"))
    assert a.keys() == b.keys() and not any("_orig_mod" in name for name in a)
    assert float(history(tmp_path / "run")[0]["loss"]) == pytest.approx(
        float(history(tmp_path / "plain")[0]["loss"]), rel=0.02
    )


def test_without_a_compiler_compile_is_refused_in_one_line(tmp_path):
    done = ssl_nb(
        "pretrain",
        "--preset",
        "digits",
        *TINY,
        "--compile",
        "--out",
        "run",
        cwd=tmp_path,
        CXX="/no/compiler",
        TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"),
    )
    assert done.returncode == 2 and "run without --compile" in done.stderr and "Traceback" not in done.stderr


# --- clusters of a folder that no preset knows


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    "A flat folder of 300 digits as images of 16x16 without a label, and a pretraining on it with the settings for clothes"
    from PIL import Image
    from sklearn.datasets import load_digits

    folder = tmp_path_factory.mktemp("flat")
    (folder / "my scans é").mkdir()
    for i, x in enumerate(load_digits().images[:300]):
        Image.fromarray((x * 15.9).astype("uint8")).resize((16, 16)).save(
            folder / "my scans é" / f"{i:03}.png"
        )
    words = [
        "--data",
        "my scans é",
        "--preset",
        "fashion_cluster",
        "--epochs",
        "2",
        "--batch-size",
        "64",
        "--quiet",
        "--out",
        "run",
    ]
    done = ssl_nb("pretrain", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_clusters_of_a_flat_folder(flat):
    done = ssl_nb(
        "cluster",
        "run",
        "--method",
        "scan",
        "--k",
        "6",
        "--heads",
        "2",
        "--over",
        "12",
        "--head-epochs",
        "2",
        "--quiet",
        cwd=flat,
    )
    assert (
        done.returncode == 0
        and "300 images in 6 clusters" in done.stdout
        and "against the labels" not in done.stdout
    ), done.stderr
    wanted = {
        "central.png",
        "random.png",
        "map.png",
        "neighbours.png",
        "assignments.npz",
        "model.safetensors",
    }
    assert wanted <= {f.name for f in (flat / "run/cluster").iterdir()}
    told = ssl_nb("predict", "run/cluster", "my scans é/007.png", "--json", cwd=flat)
    answer = json.loads(told.stdout)[0]
    assert answer["class"] in [f"cluster {i}" for i in range(6)] and 0 < answer["probability"] <= 1, (
        told.stderr
    )
    asked = ssl_nb("evaluate", "run/cluster", cwd=flat)
    assert asked.returncode == 0 and "300 images in clusters of" in asked.stdout, asked.stderr
    kept = (flat / "run/cluster/assignments.npz").read_bytes()
    for words, says in (
        ("--k 301", "from 1 to 300"),
        ("--k 1", "take 2 or more"),
        ("--method scna", "did you mean 'scan'"),
        ("--k 6", "--force"),
    ):
        wrong = ssl_nb(
            "cluster", "run", *words.split(), *([] if says == "--force" else ["--out", "other"]), cwd=flat
        )
        assert wrong.returncode == 2 and says in wrong.stderr and wrong.stderr.count("\n") == 1, wrong.stderr
    assert (flat / "run/cluster/assignments.npz").read_bytes() == kept and not (flat / "other").exists()


def test_a_number_of_clusters_is_suggested(flat):
    done = ssl_nb("cluster", "run", "--k", "0", "--quiet", "--out", "suggested", cwd=flat)
    assert (
        done.returncode == 0
        and "was suggested with" in done.stdout
        and (flat / "suggested/suggestion.png").is_file()
    ), done.stderr
    m = json.loads((flat / "suggested/metrics.json").read_text(encoding="utf-8"))
    assert len(m["sizes"]) == m["k"] == m["suggested"]["k"] and sum(
        m["suggested"]["votes"].values()
    ) == pytest.approx(1)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_an_interrupted_loop_of_clusters_goes_on_to_the_same_end(how, flat):
    words = [
        "deepcluster",
        "--data",
        "my scans é",
        "--n-clusters",
        "5",
        "--num-iterations",
        "3",
        "--epochs-per-iteration",
        "2",
        "--batch-size",
        "64",
        "--n-init",
        "3",
        "--no-pictures",
        "--quiet",
    ]
    if not (flat / "loop/metrics.json").exists():
        assert ssl_nb(*words, "--out", "loop", cwd=flat).returncode == 0
    folder = f"loop-{how.name}"
    process = start_and_wait_for(flat / folder / "last.ckpt", *words, "--out", folder, cwd=flat)
    os.kill(process.pid, how)
    said = process.communicate(timeout=60)[1]
    if how == signal.SIGINT:
        assert process.returncode == 130 and "--resume" in said and "Traceback" not in said, said
    assert not (flat / folder / "metrics.json").exists()
    done = ssl_nb(*words, "--out", folder, "--resume", cwd=flat)
    assert done.returncode == 0, done.stderr
    assert (flat / folder / "model.safetensors").read_bytes() == (
        flat / "loop/model.safetensors"
    ).read_bytes()
    assert history(flat / folder) == history(flat / "loop")


def test_images_in_which_there_is_nothing_to_tell_apart(tmp_path):
    from PIL import Image

    (tmp_path / "same").mkdir()
    for i in range(12):
        Image.new("L", (16, 16), 90).save(tmp_path / "same" / f"{i}.png")
    wrong = ssl_nb("deepcluster", "--data", "same", "--n-clusters", "3", "--out", "run", cwd=tmp_path)
    assert (
        wrong.returncode == 2
        and "nothing to tell apart" in wrong.stderr
        and wrong.stderr.count("\n") == 1
        and not (tmp_path / "run").exists()
    )
