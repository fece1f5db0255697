"People's own folders in the shell: two piles, bad input, the cache under two processes, kills and changes."

import io
import json
import os
import signal
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import command, digits, run, start_code

BRIEF = ["--epochs", "2", "--batch-size", "32", "--image-size", "16", "--quiet"]


def ssl_nb(*words, cwd, **environment):
    "Run the command in a forked process in `cwd`, with a cache of its own there"
    return command(*words, cwd=cwd, **dict(SSL_NB_CACHE=str(cwd / "cache")) | environment)


def in_own_process(*words, cwd):
    "The same as a shell runs it"
    return run("ssl_nb", *words, cwd=cwd, SSL_NB_CACHE=str(cwd / "cache"))


def fill(folder, files, size=16):
    "Write (name, array) as images"
    for name, array in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array).resize((size, size)).save(folder / name)


def one_line(done, *says):
    "Whether a command ended with one clear line"
    assert (
        done.returncode == 2 and done.stderr.count("\n") == 1 and all(what in done.stderr for what in says)
    ), done.stderr


# --- an unlabelled pile and a labelled part


@pytest.fixture(scope="module")
def two(once):
    "200 digits without labels and 100 with, and a pretraining on both"

    def make(folder):
        x, y = digits()
        kept = np.flatnonzero(y < 4)[:300]
        fill(folder / "my photos", [(f"unlabelled/{n}.png", x[i]) for n, i in enumerate(kept[:200])])
        fill(folder / "my photos", [(f"labelled/{y[i]}/{n}.png", x[i]) for n, i in enumerate(kept[200:])])
        words = ["pretrain", "--data", "my photos", "--preset", "digits", *BRIEF, "--out", "run"]
        return ssl_nb(*words, cwd=folder)

    return once("two", make)


def test_pretraining_takes_both_piles(two):
    settings = json.loads((two / "run" / "settings.json").read_text(encoding="utf-8"))
    told = ssl_nb("data", "my photos", cwd=two)
    assert "unlabelled 200" in told.stdout, told.stdout + told.stderr
    assert settings["data_n"] == 200 + 72  # of 100 with labels 20 are for testing, 8 for validation


@pytest.mark.parametrize(
    "words, says",
    [
        (["probe", "--supervised-steps", "5"], "with 40 labels, 20 test images"),
        (["finetune", "--steps", "5"], "with 72 labels, 20 test images"),
        (
            ["semi", "--steps", "5", "--rounds", "1", "--labels-per-class", "5"],
            "with 20 labels, 20 test images",
        ),
        (["cluster", "--k", "4"], "300 images in 4 clusters"),
    ],
)
def test_every_stage_runs_on_two_piles(words, says, two):
    done = ssl_nb(words[0], "run", *words[1:], "--quiet", cwd=two)
    assert done.returncode == 0 and says in done.stdout, done.stdout + done.stderr
    if words[0] == "semi":
        metrics = json.loads((two / "run" / "semi" / "metrics.json").read_text(encoding="utf-8"))
        assert (
            metrics["n_unlabelled"] == 200 + 72 - 20 and metrics["pseudo_acc"] == []
        )  # there are no labels to score the pile with


def test_few_images_of_two_piles(two):
    done = ssl_nb(
        "pretrain",
        "--data",
        "my photos",
        "--preset",
        "digits",
        *BRIEF,
        "--n-images",
        "100",
        "--out",
        "few",
        cwd=two,
    )
    assert (
        done.returncode == 0
        and json.loads((two / "few" / "settings.json").read_text(encoding="utf-8"))["data_n"] == 100
    ), done.stderr


# --- few labels


@pytest.mark.parametrize(
    "labelled, test, learns, says", [(3, 0, 60 + 6, "3 test images"), (9, 9, 60 + 24, "27 test images")]
)
def test_few_labels_beside_a_pile(labelled, test, learns, says, tmp_path):
    x, y = digits()
    for c in range(3):
        own = x[y == c]
        fill(tmp_path / "photos", [(f"unlabelled/{c}-{n}.png", own[n]) for n in range(20)])
        fill(tmp_path / "photos", [(f"labelled/{c}/{n}.png", own[20 + n]) for n in range(labelled)])
        fill(tmp_path / "photos", [(f"test/{c}/{n}.png", own[40 + n]) for n in range(test)])
    told = ssl_nb("data", "photos", cwd=tmp_path)
    assert ("3 classes have too few images" in told.stdout) == (
        labelled < 5
    ) and "cannot be loaded" not in told.stdout, told.stdout + told.stderr
    done = ssl_nb("pretrain", "--data", "photos", "--preset", "digits", *BRIEF, "--out", "run", cwd=tmp_path)
    assert (
        done.returncode == 0
        and json.loads((tmp_path / "run" / "settings.json").read_text(encoding="utf-8"))["data_n"] == learns
    ), done.stderr
    scored = ssl_nb(
        "probe", "run", "--labels-per-class", "2", "--supervised-steps", "5", "--quiet", cwd=tmp_path
    )
    assert scored.returncode == 0 and "with 6 labels, " + says in scored.stdout, scored.stdout + scored.stderr


def test_a_rare_class_stops_nothing(tmp_path):
    x, y = digits()
    fill(
        tmp_path / "photos",
        [(f"{c}/{n}.png", x[y == c][n]) for c, count in enumerate((30, 30, 1)) for n in range(count)],
    )
    assert (
        "class '2' has 1 image: 1 to learn from, 0 for testing"
        in ssl_nb("data", "photos", cwd=tmp_path).stdout
    )
    done = ssl_nb("pretrain", "--data", "photos", "--preset", "digits", *BRIEF, "--out", "run", cwd=tmp_path)
    scored = ssl_nb(
        "probe", "run", "--labels-per-class", "1", "--supervised-steps", "5", "--quiet", cwd=tmp_path
    )
    assert "online kNN" in done.stdout and scored.returncode == 0 and "12 test images" in scored.stdout, (
        done.stderr + scored.stderr
    )
    json.loads(
        (tmp_path / "run" / "probe" / "metrics.json").read_text(encoding="utf-8"), parse_constant=pytest.fail
    )  # no NaN


# --- bad input


@pytest.fixture(scope="module")
def classifier(once, two):
    "A linear probe on that pretraining"
    words = "probe run --no-baselines --quiet --out".split()
    return once("classifier", lambda folder: ssl_nb(*words, folder, cwd=two))


def test_what_is_no_file_is_not_waited_for(two, classifier):
    os.mkfifo(two / "pipe")
    for words in (["predict", classifier, "pipe"], ["predict", classifier, os.devnull]):
        one_line(ssl_nb(*words, cwd=two), "neither a folder nor an ordinary file")
    for words in (["data", "pipe"], ["pretrain", "--data", os.devnull]):
        one_line(ssl_nb(*words, cwd=two), "is one file; give a folder")
    for words in (["data", ""], ["pretrain", "--data", ""]):
        one_line(ssl_nb(*words, cwd=two), "empty name")


def test_what_is_left_out_is_said_once(two, classifier, tmp_path):
    fill(tmp_path / "photos", [(f"a/{n}.png", digits()[0][n]) for n in range(9)])
    (tmp_path / "photos" / "a" / "broken.png").write_bytes(b"no image")
    for words in (
        ["pretrain", "--data", "photos", *BRIEF, "--out", "run"],
        ["predict", str(classifier), "photos"],
        ["embed", str(two / "run"), "photos", "--out", "h.npz", "--quiet"],
    ):
        done = ssl_nb(*words, "--bad-files", "skip", cwd=tmp_path)
        assert done.stderr == "1 of 10 files in photos cannot be used: a/broken.png (no image); left out\n", (
            words[0] + done.stderr
        )


def test_a_large_picture_leaves_no_warning(tmp_path):
    fill(tmp_path / "photos", [(f"{n}.png", digits()[0][n]) for n in range(3)])
    (tmp_path / "photos" / "large.png").write_bytes(png_bomb(12_000))
    for words in (
        ["data", "photos", "--out", "look.png"],
        ["pretrain", "--data", "photos", *BRIEF, "--out", "run"],
    ):
        done = in_own_process(*words, cwd=tmp_path)
        assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr


def test_an_empty_folder_is_one_line(tmp_path):
    (tmp_path / "none").mkdir()
    for words in (["data", "none"], ["pretrain", "--data", "none"]):
        one_line(ssl_nb(*words, cwd=tmp_path), "holds no images")


def png_bomb(side):
    "A PNG of side x side black pixels: small on the disk, large in memory"

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze, rows = zlib.compressobj(9), []
    for _ in range(side):
        rows.append(squeeze.compress(bytes(1 + side // 8)))
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", b"".join(rows) + squeeze.flush())
        + chunk(b"IEND", b"")
    )


MEASURED = """
import resource, sys
from ssl_nb.data import load_data
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
d = load_data(sys.argv[1], 32, 'skip')
print(len(d.train), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)
"""


def test_a_zip_bomb_is_left_out_and_a_huge_photograph_is_read(tmp_path):
    fill(tmp_path / "photos", [(f"{n}.png", digits()[0][n]) for n in range(3)])
    (tmp_path / "photos" / "bomb.png").write_bytes(png_bomb(30_000))
    assert (tmp_path / "photos" / "bomb.png").stat().st_size < 1_000_000
    one_line(ssl_nb("data", "photos", "--bad-files", "x", cwd=tmp_path), "unknown bad_files")
    one_line(
        ssl_nb("pretrain", "--data", "photos", *BRIEF, cwd=tmp_path),
        "1 of 4 files",
        "bomb.png (too large: 900,000,000 pixels)",
    )
    Image.new("L", (20_000, 20_000), 200).save(tmp_path / "photos" / "poster.jpg")
    told = ssl_nb("data", "photos", cwd=tmp_path)
    assert (
        told.returncode == 0 and "too large: 900,000,000 pixels" in told.stdout and "20,000" in told.stdout
    ), told.stderr
    done = run("python", "-c", MEASURED, "photos", cwd=tmp_path)
    images, megabytes = map(int, done.stdout.split())
    assert images == 4 and megabytes < 300, (
        done.stdout + done.stderr
    )  # 400 million pixels would be 400 of them


def test_thousands_of_broken_files_are_a_line_and_not_a_wait(tmp_path):
    fill(tmp_path / "photos", [(f"{n}.png", digits()[0][n]) for n in range(3)])
    half = io.BytesIO()
    Image.fromarray(digits()[0][0]).save(half, "PNG")
    for n in range(5000):
        (tmp_path / "photos" / f"broken {n}.png").write_bytes(half.getvalue()[:-30] if n % 2 else b"no image")
    start = time.perf_counter()
    one_line(
        ssl_nb("pretrain", "--data", "photos", *BRIEF, cwd=tmp_path),
        "5,000 of 5,003 files",
        "mend or remove them",
    )
    done = ssl_nb("pretrain", "--data", "photos", "--bad-files", "skip", *BRIEF, "--out", "run", cwd=tmp_path)
    assert (
        done.returncode == 0
        and json.loads((tmp_path / "run" / "settings.json").read_text(encoding="utf-8"))["data_n"] == 3
    ), done.stderr
    told = ssl_nb("data", "photos", cwd=tmp_path)
    assert (
        "5,000 files that cannot be used:" in told.stdout
        and "... and 4,997 more" in told.stdout
        and time.perf_counter() - start < 120
    )


def test_names_links_and_classes_of_all_kinds(tmp_path):
    x, _ = digits()
    names = [
        "cat/a b.png",
        "cat/ü写真.png",
        "cat/two\nlines.png",
        "cat/-rf.png",
        "cat/'\".png",
        "dog/%s {x}.png",
    ]
    fill(tmp_path / "photos", [(name, x[n]) for n, name in enumerate(names)])
    fill(
        tmp_path / "photos",
        [(f"{c}/{n}.png", x[9 + 2 * n + (c == "dog")]) for c in ("cat", "dog") for n in range(8)],
    )
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "photos" / "dog") + b"/\xff.png"))
    try:
        odd.write_bytes((tmp_path / "photos" / "cat" / "a b.png").read_bytes())
    except OSError:
        pytest.skip("this file system takes only names that are text")
    (tmp_path / "photos" / "cat" / "round").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "dog" / "bad\nname.png").write_bytes(b"no image")
    refused = ssl_nb("pretrain", "--data", "photos", *BRIEF, cwd=tmp_path)
    one_line(refused, "2 of 25 files", "bad\\nname.png (no image)", "a link to a folder that is read already")
    told = ssl_nb("data", "photos", "--out", "look.png", cwd=tmp_path)
    assert (
        told.returncode == 0 and "dog/bad\\nname.png (no image)" in told.stdout and "\\udcff" in told.stdout
    ), told.stderr
    assert (tmp_path / "look.png").read_bytes()[:4] == b"\x89PNG"
    before = sorted(p.name for p in tmp_path.rglob("*"))
    assert not [name for name in before if name.startswith(".")]
    (tmp_path / "photos" / "Cat").mkdir()
    Image.fromarray(x[0]).save(tmp_path / "photos" / "Cat" / "1.png")
    if not (tmp_path / "photos" / "cat" / "1.png").samefile(tmp_path / "photos" / "Cat" / "1.png"):
        one_line(
            ssl_nb("pretrain", "--data", "photos", "--bad-files", "skip", *BRIEF, cwd=tmp_path),
            "'Cat' and 'cat'",
            "differ in case or in how",
        )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="root may read everything; 00_data plays it with a patched open",
)
def test_what_may_not_be_read_is_told(tmp_path):
    fill(tmp_path / "photos", [(f"{n}.png", digits()[0][n]) for n in range(5)])
    (tmp_path / "photos" / "3.png").chmod(0)
    (tmp_path / "photos" / "locked").mkdir(mode=0)
    one_line(
        ssl_nb("pretrain", "--data", "photos", *BRIEF, cwd=tmp_path), "2 of 6 files", "permission denied"
    )
    (tmp_path / "photos").chmod(0)
    try:
        one_line(ssl_nb("data", "photos", cwd=tmp_path), "cannot read", "permission denied")
    finally:
        (tmp_path / "photos").chmod(0o755)


# --- the cache

LOAD = (
    "import sys\nfrom ssl_nb.data import load_data\nd = load_data(sys.argv[1])\nprint(d.sha256, len(d.train))"
)


@pytest.fixture
def large(tmp_path):
    "A folder that is worth a cache"
    rng = np.random.default_rng(0)
    fill(
        tmp_path / "photos",
        [
            (f"{c}/{n:04}.png", rng.integers(0, 256, (16, 16), dtype=np.uint8))
            for c in "ab"
            for n in range(1100)
        ],
    )
    return tmp_path


def start(large):
    "A process that loads the folder"
    return start_code(LOAD, "photos", cwd=large, SSL_NB_CACHE=str(large / "cache"))


def kept(large):
    "The files in the cache, and what is under way"
    files = [path for path in (large / "cache").rglob("*") if path.is_file()]
    return sorted(path.suffix for path in files if ".tmp-" not in str(path)), [
        path for path in (large / "cache" / "folders").iterdir() if ".tmp-" in path.name
    ]


def test_two_processes_at_once_leave_one_good_copy(large):
    both = [start(large), start(large)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0] and said[0] == said[1] and said[0][1] == "", (
        said
    )
    assert kept(large) == ([".json", ".npy"], [])
    again = start(large)
    assert again.communicate(timeout=120) == said[0]


def test_a_killed_reading_leaves_nothing_that_is_taken_for_whole(large):
    process = start(large)
    limit = time.monotonic() + 60
    while not list((large / "cache").glob("folders/*tmp-*/raw")):
        assert process.poll() is None and time.monotonic() < limit, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert [path for path in (large / "cache").rglob("*.json")] == []
    whole = start(large)
    out, err = whole.communicate(timeout=120)
    assert whole.returncode == 0 and err == "" and kept(large) == ([".json", ".npy"], [])
    Image.new("L", (16, 16)).save(large / "photos" / "a" / "0001.png")
    changed = start(large)
    other, said = changed.communicate(timeout=120)
    assert (
        "photos has changed since it was read" in said
        and said.count("\n") == 1
        and other != out
        and kept(large) == ([".json", ".npy"], [])
    )


def test_a_cache_that_cannot_be_written_is_no_error(large):
    (large / "cache").write_text("a file stands in the way")
    process = start(large)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0 and out and "cannot be written" in said and said.count("\n") == 1
