"What holds for any input, drawn by hypothesis; and a small share of the kills and damaged files of the benchmark"

import importlib
import json
import string
import sys
from argparse import Namespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from conftest import CAN_FORK, ROOT, warm_python
from ssl_nb.augment import Views, augmentation
from ssl_nb.core import read_json, write_json
from ssl_nb.data import class_numbers, labels_of
from ssl_nb.deepclustering import hungarian_accuracy, kmeans
from ssl_nb.runs import read_record, write_record
from ssl_nb.settings import load_presets
from ssl_nb.simclr_loss import nt_xent
from ssl_nb.training import read_history, write_history

some = settings(max_examples=25, deadline=None, derandomize=True)
few = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
seeds = st.integers(0, 2**32 - 1)
NUMBER_TYPES = "bool i1 i2 i4 i8 u1 u2 u4 u8 >i2 >u4 f4 f8 object U list tensor".split()


# --- labels


def as_kind(values, kind):
    "Small whole numbers as one of the kinds of label lists"
    if kind == "list":
        return list(values)
    if kind == "tensor":
        return torch.tensor(values)
    if kind == "bool":
        return np.array(values) % 2 == 0
    return np.array([f"c{v}" for v in values] if kind == "U" else values, dtype=kind)


@some
@given(st.lists(st.integers(0, 90), min_size=1, max_size=30), st.sampled_from(NUMBER_TYPES))
def test_labels_of_any_kind_become_numbers_and_back(values, kind):
    y = as_kind(values, kind)
    numbers, names = class_numbers(y)
    assert set(numbers.tolist()) == set(range(len(names)))  # none is left out
    assert [names[i] for i in numbers] == [v.item() if hasattr(v, "item") else v for v in y]
    again, same = class_numbers(numbers, names)
    assert again.tolist() == numbers.tolist() and same == names


@some
@given(st.lists(st.one_of(st.none(), st.text(min_size=1, max_size=5)), min_size=1, max_size=20))
def test_missing_labels_stay_missing(values):
    numbers, names = class_numbers(values, unlabelled="keep")
    assert [None if i < 0 else names[i] for i in numbers] == values


# --- clusters


def groups_of(labels):
    "A clustering as sets of points, whatever their numbers"
    return {frozenset(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels)}


def blobs(seed, n=24):
    "Points around three directions far apart"
    draw = np.random.default_rng(seed)
    return (np.eye(3)[np.arange(n) % 3] + 0.02 * draw.standard_normal((n, 3))).astype("float32")


@few
@given(seeds)
def test_clusters_do_not_depend_on_the_order_of_points(seed):
    x, order = blobs(seed), np.random.default_rng(seed).permutation(24)
    labels, mixed = (kmeans(points, 3, n_init=3, seed=seed % 1000).labels_ for points in (x, x[order]))
    back = np.empty_like(mixed)
    back[order] = mixed
    assert groups_of(back) == groups_of(labels) and len(groups_of(labels)) == 3
    assert hungarian_accuracy(torch.arange(24) % 3, labels) == 1


@few
@given(seeds, st.integers(1, 4))
def test_equal_points_fall_into_one_cluster(seed, k):
    x = np.random.default_rng(seed).standard_normal((8, 5)).astype("float32")
    labels = kmeans(np.concatenate([x, x]), k, n_init=2).labels_
    assert labels[:8].tolist() == labels[8:].tolist()


# --- views and their loss

STRONG = dict(
    rotation=30.0, elastic=0.3, gamma=0.5, hue=0.4, saturation=0.5, solarize=0.3, blur=0.5, cutout=0.4
)


@few
@given(seeds, st.sampled_from([1, 3]), st.sampled_from([8, 11]))
def test_views_are_images_and_the_same_for_a_seed(seed, channels, side):
    x = torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (4, channels, side, side), dtype=np.uint8)
    )
    make = lambda: Views(augmentation(**STRONG))(x, gen=torch.Generator().manual_seed(seed))
    (views, ids), (again, _) = make(), make()
    assert torch.equal(views, again) and ids.tolist() == [0, 1, 2, 3] * 2
    assert torch.isfinite(views).all() and views.min() >= 0 and views.max() <= 1
    assert views.shape == (8, channels, side, side)


@some
@given(seeds, st.integers(2, 6), st.integers(2, 4), st.floats(0.05, 5))
def test_the_loss_does_not_depend_on_the_order_of_views(seed, n, n_views, temperature):
    gen = torch.Generator().manual_seed(seed)
    z, ids = torch.randn(n * n_views, 7, generator=gen), torch.arange(n).repeat(n_views)
    order = torch.randperm(len(z), generator=gen)
    loss, mixed = nt_xent(z, ids, temperature), nt_xent(z[order], ids[order], temperature)
    assert loss >= 0 and torch.isclose(loss, mixed, rtol=1e-4, atol=1e-5)


# --- what was written is read

names = st.text(string.ascii_lowercase, min_size=1, max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), numbers, st.text(max_size=12))


@few
@given(
    st.dictionaries(st.text(max_size=8), st.recursive(plain, lambda v: st.lists(v, max_size=3)), max_size=6)
)
def test_settings_are_read_as_they_were_written(tmp_path, found):
    write_json(tmp_path / "a.json", found)
    assert read_json(tmp_path / "a.json") == found


@few
@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=9))
def test_a_history_is_read_as_it_was_written(tmp_path, rows):
    rows = [dict(epoch=i, loss=a, seconds=b) for i, (a, b) in enumerate(rows)]
    write_history(tmp_path / "history.csv", rows)
    assert read_history(tmp_path / "history.csv") == rows


@few
@given(st.dictionaries(names, st.lists(numbers, min_size=3, max_size=3), max_size=4))
def test_a_record_is_read_as_it_was_written(tmp_path, metrics):
    record = json.loads((ROOT / "results" / "digits-demo.json").read_text(encoding="utf-8"))
    record |= dict(name="mine", seeds=[0, 1, 2], metrics=metrics)
    write_record(tmp_path, record)
    assert read_record("mine", tmp_path) == record


@few
@given(names.filter(lambda name: name not in load_presets()), st.floats(0.001, 10), st.integers(1, 1000))
def test_presets_are_read_as_they_were_written(tmp_path, name, lr, epochs):
    (tmp_path / "mine.ini").write_text(f"[{name}]\ninherit = digits\nlr = {lr!r}\nepochs = {epochs}\n")
    assert load_presets(tmp_path / "mine.ini")[name] == dict(
        inherit="digits", lr=repr(lr), epochs=str(epochs)
    )


ODD_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0"), min_size=1, max_size=20)


@few
@given(st.sets(ODD_NAMES.map(str.strip).filter(lambda s: s and s[0] != "."), min_size=1, max_size=4))
def test_names_of_files_in_a_table_are_found(tmp_path_factory, found):
    import csv

    folder = tmp_path_factory.mktemp("names")
    for i, name in enumerate(found := sorted(found)):
        Image.new("L", (4, 4), i).save(folder / f"{name}.png")
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(
            [("file", "label"), *((f"{name}.png", f"c{i}") for i, name in enumerate(found))]
        )
    assert labels_of(folder) == {folder / f"{name}.png": f"c{i}" for i, name in enumerate(found)}


# --- a share of the benchmark


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("faults")


needs_fork = pytest.mark.skipif(not CAN_FORK, reason="a fork is safe on Linux only")


@needs_fork
def test_damaged_files_are_read_or_refused_in_a_line(faults, tmp_path):
    assert len(faults.mutants.READERS) == 11
    for name in faults.mutants.READERS:
        assert set(faults.damage_one(name, list(range(40)), 1, tmp_path)) == {""}, name


@needs_fork
def test_what_breaks_in_a_child_is_told(faults, tmp_path, monkeypatch):
    def odd(folder):
        (folder / "x").write_bytes(b"sound")
        deeds = iter([None, lambda: 1 / 0, lambda: bytearray(2**31), lambda: None])

        def read():
            if deed := next(deeds):
                deed()

        return folder / "x", read

    monkeypatch.setitem(faults.mutants.READERS, "odd", (odd, None))
    said = faults.mutants.outcomes("odd", tmp_path, range(3), 0)
    assert [s.split(":")[0] for s in said] == ["ZeroDivisionError", "MemoryError", "read"]


@needs_fork
def test_a_reader_that_does_not_end_is_stopped(faults, tmp_path, monkeypatch):
    def slow(folder):
        (folder / "x").write_bytes(b"sound")

        def read():
            while (folder / "x").read_bytes() != b"sound":
                pass

        return folder / "x", read

    monkeypatch.setitem(faults.mutants.READERS, "slow", (slow, None))
    monkeypatch.setattr(faults.mutants, "SECONDS", 0.2)
    assert faults.mutants.outcomes("slow", tmp_path, range(2), 0) == ["over 0.2 s"] * 2


@needs_fork
def test_a_killed_stage_goes_on_to_the_same_end(faults, tmp_path):
    python = warm_python(sys.executable)
    assert faults.kill_one("pretrain", [0], 1, tmp_path, python) == [""]


def test_the_record_counts_tries_and_what_held(faults, tmp_path):
    args = Namespace(kills=2, mutants=3, seed=7, results=tmp_path)
    kept = faults.Kept(tmp_path / "kept", seed=7)
    kills = {"demo": kept.found("demo", range(2), lambda kind, numbers: ["", "not equal: a"])}
    faults.write(args, kills, {"IDX": kept.found("IDX", range(3), lambda *_: ["", "", ""])}, kept)
    found = read_record("trust", tmp_path)
    assert found["metrics"] == {
        "kill: demo, tries": [2],
        "damage: IDX, tries": [3],
        "kill: demo, held": [1],
        "damage: IDX, held": [3],
    }
    assert found["extra"]["failures"] == {"kill: demo": ["not equal: a"]}
    assert found["command"] == "python benchmarks/faults.py --kills 2 --mutants 3 --seed 7"


def test_what_was_found_is_kept_for_the_same_question(faults, tmp_path):
    tried = []
    find = lambda kind, numbers: tried.append(kind) or ["", "not equal: a"]
    for _ in range(2):
        kept = faults.Kept(tmp_path, seed=7)
        assert kept.found("label curve", range(2), find) == ["", "not equal: a"]
    assert tried == ["label curve"] and kept.seconds > 0 and len(kept.commits) == 1
    with pytest.raises(SystemExit, match="name another folder with --keep"):
        faults.Kept(tmp_path, seed=8).found("label curve", range(2), find)
    faults.Kept(None, seed=7).found("label curve", range(2), find)
    assert len(tried) == 2


def test_differences_are_seen_and_times_are_not(faults, tmp_path):
    for name, seconds in (("a", 1.0), ("b", 2.0)):
        write_json(tmp_path / name / "metrics.json", dict(loss=1.0, seconds=seconds))
        write_history(tmp_path / name / "history.csv", [dict(epoch=1, loss=0.5, seconds=seconds)])
        np.savez(tmp_path / name / "h.npz", a=np.arange(3))
        (tmp_path / name / "model.safetensors").write_bytes(b"w")
    assert faults.differences(tmp_path / "a", tmp_path / "b") == []
    write_history(tmp_path / "b" / "history.csv", [dict(epoch=1, loss=0.6, seconds=1.0)])
    (tmp_path / "b" / "model.safetensors").write_bytes(b"v")
    (tmp_path / "b" / ".lock").touch()
    np.savez(tmp_path / "b" / "h.npz", a=np.arange(4))
    assert faults.differences(tmp_path / "a", tmp_path / "b") == [
        ".lock",
        "h.npz",
        "history.csv",
        "model.safetensors",
    ]
