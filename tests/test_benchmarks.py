"The benchmarks run and write their record; how fast they were is not tested."

import importlib
import json
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import ROOT, code
from ssl_nb.cli import parse

SCRIPT = """
import os, runpy, sys
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def benchmark(script, *words, cwd):
    "Run a benchmark in a forked process"
    return code(SCRIPT, ROOT / "benchmarks" / script, *words, cwd=cwd)


@pytest.mark.parametrize(
    "script, peer, images, names",
    [
        ("views.py", "torchvision", 8, ["bench-views-torchvision"]),
        ("folders.py", "torchvision", 60, ["bench-folders", "bench-folders-photos"]),
        ("views.py --colour", "torchvision", 8, ["bench-colour-torchvision"]),
        ("kmeans.py", "sklearn", 200, ["bench-kmeans", "bench-kmeans-torch"]),
        ("neighbours.py", "faiss", 300, ["bench-neighbours"]),
        ("training.py", "loop", 128, ["bench-train-loop"]),
    ],
)
def test_benchmark_writes_its_record(script, peer, images, names, tmp_path):
    script, *flags = script.split()
    words = [*flags, peer, "--rounds", "2", "--images", images, "--results", tmp_path]
    done = benchmark(script, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {f.name for f in tmp_path.iterdir()} == {f"{n}.json" for n in names}
    for name in names:
        record = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        times = record["metrics"]
        assert len(times["ours"]) == len(times["peer"]) == 2 and all(
            seconds > 0 for seconds in times["ours"] + times["peer"]
        )
        assert times["ratio"] == pytest.approx(
            [peer / ours for ours, peer in zip(times["ours"], times["peer"])]
        )
        assert str(tmp_path) not in json.dumps(record)


def test_parts_of_the_step(tmp_path):
    words = ["--rounds", "2", "--images", "8", "--results", tmp_path, "--no-compile"]
    done = benchmark("parts.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "bench-step-parts.json").read_text(encoding="utf-8"))
    parts = record["extra"]["parts"]
    assert (
        parts["names"] == ["views", "forward", "loss", "backward", "optimiser"]
        and len(record["metrics"]) == 5
    )
    for name, totals in record["metrics"].items():
        assert totals == pytest.approx([sum(r) for r in parts["seconds"][name]]) and min(totals) > 0


def test_scale(tmp_path):
    done = benchmark("scale.py", "--images", "2500", "--results", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "bench-scale.json").read_text(encoding="utf-8"))
    metrics = {name: values[0] for name, values in record["metrics"].items()}
    assert (
        record["data"]["n"] == 2500
        and record["settings"]["cache_bytes"] > 2500 * 64 * 64 * 3
        and min(metrics.values()) > 0
    )
    assert metrics["again"] < metrics["first"] and done.stdout.count("train 1,800, valid 200, test 500") == 3


@pytest.fixture
def own_images(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("own_images")


def test_emoji_are_laid_out_by_category(own_images, tmp_path):
    package, emoji = tmp_path / "package", []
    (package / "img" / "google" / "64").mkdir(parents=True)
    for i, (name, category) in enumerate(
        [
            ("a", "Food & Drink"),
            ("b/c", "Food & Drink"),
            ("d", "Food & Drink"),
            ("e", "Flags"),
            ("f", "Flags"),
            ("tone", "Component"),
            ("missing", "Flags"),
        ]
    ):
        emoji.append(dict(short_name=name, category=category, image=f"{i}.png"))
        if name != "missing":
            Image.new("RGBA", (64, 64), (40 * i, 0, 90, 255)).save(
                package / "img" / "google" / "64" / f"{i}.png"
            )
    (package / "emoji.json").write_text(json.dumps(emoji))
    for _ in range(2):  # a second time in place of the first
        own_images.lay_out(package, tmp_path)
        assert sorted(
            p.relative_to(tmp_path).as_posix()
            for n in ("emoji", "new")
            for p in (tmp_path / n).rglob("*.png")
        ) == [
            "emoji/Flags/e.png",
            "emoji/Food & Drink/a.png",
            "emoji/Food & Drink/d.png",
            "new/b-c.png",
            "new/f.png",
        ]


def test_walk_keeps_what_was_done_and_ends_where_a_command_fails(own_images, tmp_path, monkeypatch, capsys):
    for words in own_images.commands().values():
        assert parse(words).command == words[0]
    (tmp_path / "emoji").mkdir()
    Image.new("L", (64, 64), 90).save(tmp_path / "emoji" / "one.png")
    monkeypatch.setattr(own_images, "WALK", dict(look=["data", "emoji"], wrong=["data", "nowhere"]))
    with pytest.raises(SystemExit, match="ended with 2"):
        own_images.walk(tmp_path)
    said = json.loads((tmp_path / "said.json").read_text())
    assert (
        list(said) == ["look"]
        and "1 image" in said["look"]["output"]
        and said["look"]["command"] == "ssl_nb data emoji"
    )
    assert "nowhere" in capsys.readouterr().out


def test_walk_through_a_pile_counts_what_is_right(own_images, tmp_path):
    own_pile = importlib.import_module("own_pile")
    truth = {"0000.png": "bag", "0001.png": "bag", "0002.png": "coat"}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    rows = [f"pile/{file},{says},0.9,0,semi" for file, says in zip(truth, ("bag", "coat", "coat"))]
    said = dict(answers=dict(output="\n".join(["file,class,probability,looks_inverted,answered_by", *rows])))
    found = own_pile.answered(said)
    assert own_pile.right(tmp_path, found) == pytest.approx(2 / 3)
    assert own_pile.right(tmp_path, {}) == 0
    assert own_pile.by_class(tmp_path, found) == dict(by_class=dict(bag=[2, 1], coat=[1, 1]))
    (tmp_path / "sorted.csv").write_text(
        "file,to,class,confidence,how\n/x/pile/0001.png,./bag/0001.png,bag,1,link\n"
    )
    assert own_pile.placed(tmp_path) == {"0001.png": "bag"}
    assert own_pile.head(said, "answers", 2)["output"].endswith("... and 2 more lines")


def test_the_wall_knows_what_groups_sort_by(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    wall = importlib.import_module("wall")
    x = torch.zeros(400, 1, 12, 12, dtype=torch.uint8)
    bright = torch.arange(400) % 4 * 50 + 60
    for i, b in enumerate(bright):
        x[i, 0, 2:8, 3 : 7 + i % 3] = b
    numbers = wall.plain_numbers(x)
    assert numbers[:2].tolist() == [[60, 24, 6, 4], [110, 30, 6, 5]]
    groups, classes = (bright // 50).numpy(), np.random.default_rng(0).integers(0, 4, 400)
    found = wall.sorted_by(numbers, groups, classes, np.full(400, True), 0)
    assert found["told@clusters"] == 1 and found["brightness@clusters"] > 0.99
    assert found["told@classes"] < 0.4 and found["brightness@classes"] < 0.1 and found["area@clusters"] < 0.05


def test_photographs_are_made_and_a_step_is_measured(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    photos = importlib.import_module("photos")
    pair = np.stack([np.full((32, 32, 3), 200, np.uint8), np.zeros((32, 32, 3), np.uint8)])
    made = [photos.photograph(pair, shape, np.random.default_rng(0)) for shape in photos.SHAPES]
    assert [photo.size for photo in made] == list(photos.SHAPES)
    middle = [np.asarray(photo)[photo.height // 2, photo.width // 2].mean() for photo in made]
    assert min(middle) > 150 and min(np.asarray(photo).min() for photo in made) < 20
    wall, cpu, memory = photos.measured(
        [sys.executable, "-c", "b = bytearray(10**8)"], tmp_path, dict(os.environ)
    )
    assert 0 < cpu < wall + 5 and 0.1 < memory < 1
    with pytest.raises(SystemExit, match="no such thing"):
        photos.measured(
            [sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path, dict(os.environ)
        )
