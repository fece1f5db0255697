"Damaged files, lacking memory and disks, large numbers and diverging trainings are told in one line"

import errno
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mutants import ODD
from ssl_nb import cli
from ssl_nb.classifier import Classifier, load_classifier, make_head, save_classifier
from ssl_nb.core import SslNbError, progress, read_json, reading, torchrun_process, write_json
from ssl_nb.data import Batches
from ssl_nb.encoders import check_fits, make_encoder, read_weights, save_encoder, write_weights
from ssl_nb.finetuning import finetune
from ssl_nb.pretraining import pretrain
from ssl_nb.runs import read_settings, record_table, results_dir
from ssl_nb.settings import convert, load_presets, resolve, stage_names, stage_params
from ssl_nb.stages import load_encoder, load_run
from ssl_nb.training import read_checkpoint, read_history, train, write_history


def mutants(content, n, seed, first=0, last=None):
    "`n` damaged versions of a file: bytes flipped, cut out, doubled, or odd values in the place of a part"
    last = len(content) if last is None else last
    draw = np.random.default_rng(seed)
    for _ in range(n):
        a, b = sorted(int(i) for i in draw.integers(first, last, 2))
        b = min(b, a + int(draw.integers(1, 40)))
        new = [
            bytes([content[a] ^ int(draw.integers(1, 256))]) + content[a + 1 : b],
            b"",
            content[a:b] * 2,
            ODD[draw.integers(len(ODD))],
        ][draw.integers(4)]
        yield content[:a] + new + (b"" if draw.random() < 0.1 else content[b:])


def held(read, path, contents):
    "How many damaged files were refused in one line; each other one was read without an error"
    refused = 0
    for content in contents:
        path.write_bytes(content)
        try:
            read()
        except SslNbError as e:
            refused += 1
            assert "\n" not in str(e) and len(str(e)) < 2000
    return refused


ROWS = [dict(epoch=i + 1, loss=2.5 - i / 7, lr=1e-3, seconds=0.1 * i, accuracy=0.25) for i in range(6)]


def test_histories_that_were_damaged(tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, ROWS)
    assert read_history(path) == ROWS
    assert held(lambda: read_history(path), path, mutants(path.read_bytes(), 400, 1)) > 100
    for content in (
        b"",
        b"epoch,loss\n",
        b"epoch,loss\n1\n",
        b"epoch,loss\nx,1\n",
        b"epoch\n1,2\n",
        b"\xff" * 9,
    ):
        assert held(lambda: read_history(path), path, [content]) == 1
    path.write_text("epoch,loss\n1,2\n")
    with pytest.raises(SslNbError, match="history.csv lacks 'seconds'"):
        read_history(path)[0]["seconds"]
    with pytest.raises(SslNbError, match="does not exist"):
        read_history(tmp_path / "none")


def test_settings_that_were_damaged(tmp_path):
    given = resolve("pretrain", data="digits")
    given = {k: v if isinstance(v, (str, int, float)) else None for k, v in given.items()}
    write_json(tmp_path / "settings.json", dict(format_version=1, stage="pretrain", **given))
    path = tmp_path / "settings.json"
    read = lambda: load_run(tmp_path).own("digits")
    read()
    assert held(read, path, mutants(path.read_bytes(), 200, 2)) > 50
    for wrong in (
        dict(seed="1"),
        dict(epochs=1.5),
        dict(batch_size=10**12),
        dict(data=3),
        dict(stage=[]),
        dict(lr={}),
    ):
        content = json.dumps(dict(format_version=1, stage="pretrain", **given) | wrong).encode()
        assert held(read, path, [content]) == 1, wrong
    assert held(read, path, [b"[" * 10_000, b"[]", b"3", b'{"format_version": ' + b"9" * 5000 + b"}"]) == 4


def test_results_that_were_damaged(tmp_path):
    write_json(tmp_path / "settings.json", dict(format_version=1, stage="probe"))
    whole = dict(linear_acc=0.9, seconds=1.5, verdict="", classes=["a", "b"], confusion=[[3, 1], [0, 4]])
    whole |= dict(per_class=dict(a=dict(precision=1.0, support=4.0)), names={"0": "a"}, labels_seen=["a"])
    path = tmp_path / "metrics.json"
    write_json(path, whole)
    assert held(lambda: read_settings(tmp_path), path, [path.read_bytes()]) == 0
    assert held(lambda: read_settings(tmp_path), path, mutants(path.read_bytes(), 300, 7)) > 100
    wrong = [
        dict(linear_acc="much"),
        dict(seconds=[]),
        dict(confusion=[["x"]]),
        dict(per_class=[]),
        dict(verdict=3),
    ]
    for one in wrong:
        assert held(lambda: read_settings(tmp_path), path, [json.dumps(whole | one).encode()]) == 1, one


def test_records_that_were_damaged(tmp_path):
    content = (results_dir() / "digits-demo.json").read_bytes()
    path = tmp_path / "digits-demo.json"
    read = lambda: record_table("digits-demo", {"probe": "linear_acc"}, tmp_path)
    assert held(read, path, [content]) == 0
    assert held(read, path, mutants(content, 300, 3)) > 50
    record = json.loads(content)
    for wrong in (
        dict(seeds=3),
        dict(metrics=[]),
        dict(metrics=dict(linear_acc="1")),
        dict(metrics=dict(linear_acc=[])),
    ):
        assert held(read, path, [json.dumps(record | wrong).encode()]) == 1, wrong


def test_networks_that_were_damaged(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    save_encoder(make_encoder("resnet_small", 1, 8, width=2), path)
    assert load_encoder(path).size == 8
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    assert held(lambda: load_encoder(path), path, mutants(content, 200, 4, 0, header)) > 100
    assert (
        held(
            lambda: load_encoder(path), path, [content[:n] for n in (0, 7, 8, 100, header, len(content) - 1)]
        )
        == 6
    )


@pytest.mark.parametrize(
    "wrong",
    [
        dict(options=dict(width=2, blocks=1_000_000)),
        dict(options=dict(width=1000)),
        dict(options=dict(width="2")),
        dict(options=dict(width=None, depth=3)),
        dict(options=[]),
        dict(arch=7),
        dict(arch="resnet50", options={}),
        dict(channels=10**9),
        dict(channels=3),
        dict(size=-1),
        dict(size="8"),
        dict(classes=10**9),
        dict(classes=["a"]),
        dict(head=[16, 10**9, 2]),
        dict(head=["x"]),
        dict(head=16),
        dict(head=[-1, 2]),
        dict(sharpness="much"),
    ],
)
def test_descriptions_of_networks_have_limits(tmp_path, wrong):
    path = tmp_path / "model.safetensors"
    model = Classifier(make_encoder("resnet_small", 1, 8, width=2), make_head([16, 2]), ["a", "b"])
    save_classifier(model, path)
    assert load_classifier(path).classes == ["a", "b"]
    info, _ = read_weights(path)
    write_weights(model, dict(info) | wrong, path)
    with pytest.raises(SslNbError):
        load_classifier(path)


def test_nothing_random_is_drawn_to_see_whether_weights_fit():
    torch.manual_seed(0)
    make = lambda: make_encoder("resnet_small", 1, 8, width=2)
    weights = make().state_dict()
    was = torch.get_rng_state()
    check_fits(make, weights, "here")
    assert torch.equal(was, torch.get_rng_state())


def line(out=None, epochs=2, lr=0.1):
    "A line through three points"
    x = torch.tensor([[0.0], [1.0], [2.0]])
    net = nn.Linear(1, 1)
    return train(
        net, Batches(x, 2 * x, 3), F.mse_loss, epochs, torch.optim.SGD(net.parameters(), lr=lr), out=out
    )


def test_checkpoints_that_were_damaged(tmp_path):
    line(tmp_path)
    path = tmp_path / "last.ckpt"
    content = path.read_bytes()
    assert held(lambda: line(tmp_path, 3), path, mutants(content, 120, 5)) > 100
    path.write_bytes(content)
    c = torch.load(path, weights_only=True)
    for wrong in (
        dict(epoch="2"),
        dict(model=[]),
        dict(model={}),
        dict(rng=torch.zeros(3)),
        dict(stopped=None),
        dict(callbacks=dict(history=dict(rows=[3]))),
        dict(callbacks=dict(history=dict(rows=[dict(epoch="x", loss=1.0)]))),
        dict(opt={}),
    ):
        torch.save(c | wrong, path)
        with pytest.raises(SslNbError, match="last.ckpt|its history"):
            line(tmp_path, 3)
    for option in (dict(momentum=True), dict(nesterov=1), dict(lr=1e12), dict(weight_decay=None)):
        groups = [group | option for group in c["opt"]["param_groups"]]
        torch.save(c | dict(opt=c["opt"] | dict(param_groups=groups)), path)
        with pytest.raises(SslNbError, match=f"{[*option][0]} of the optimiser is wrong"):
            line(tmp_path, 3)
    torch.save([c], path)
    with pytest.raises(SslNbError, match="start over with --force"):
        read_checkpoint(path)


def test_presets_of_a_user_that_were_damaged(tmp_path):
    path = tmp_path / "mine.ini"
    path.write_text(
        "[digits]\nepochs = 3\n\n[mine]\ninherit = digits\nlr = 0.5\n\n[mine.pretrain]\nviews = 2\n"
    )
    load_presets(path)
    assert held(lambda: load_presets(path), path, mutants(path.read_bytes(), 100, 6)) > 25


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(SslNbError, match="cannot read .*Is a directory"):
        read_json(tmp_path)
    with pytest.raises(MemoryError), reading(tmp_path, "a file"):
        raise MemoryError


def test_every_number_has_an_upper_end():
    for stage in stage_names():
        for name, p in stage_params(stage).items():
            if p.kind in ("int", "float") and not p.choices:
                assert p.largest() < (2**32 if p.kind == "int" else 1e31), (stage, name)
                for large in ("9" * 40, "1e300", 10**40, -(10**40)):
                    with pytest.raises(SslNbError, match=name):
                        convert(large, p)


@pytest.mark.parametrize("name", ["seed", "views", "image_size", "enlarge", "projection_dim", "epochs"])
def test_large_numbers_are_refused_before_any_work(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in ("999999999999", "9" * 400):
        assert cli.main(["pretrain", "--data", "digits", "--" + name.replace("_", "-"), number]) == 2
        said = capsys.readouterr().err
        assert name in said and said.count("\n") == 1 and len(said) < 300
    assert not os.listdir(tmp_path)


def test_a_training_that_diverges_ends_in_a_line(tmp_path):
    line(tmp_path, 2)
    was = (tmp_path / "last.ckpt").read_bytes(), (tmp_path / "history.csv").read_bytes()
    with pytest.raises(SslNbError, match="in epoch [34]; likely the learning rate is too high"):
        line(tmp_path, 9, lr=3e38)
    assert ((tmp_path / "last.ckpt").read_bytes(), (tmp_path / "history.csv").read_bytes()) == was


@pytest.fixture(scope="module")
def some():
    return np.random.default_rng(0).integers(0, 256, (48, 8, 8), dtype=np.uint8)


def test_pretraining_and_finetuning_that_diverge(some, tmp_path):
    how = dict(epochs=1, batch_size=16, device="cpu", encoder="resnet_small", width=2, quiet=True)
    with pytest.raises(SslNbError, match="start again with a lower --lr"):
        pretrain(some, out=tmp_path / "wild", lr=1e8, optimizer="sgd", **how)
    run = pretrain((some, np.arange(48) % 2), out=tmp_path / "run", **how)
    quick = dict(steps=6, stop="fixed", baselines=False, pictures=False, quiet=True, device="cpu")
    with pytest.raises(SslNbError, match="a lower --lr"):
        finetune(run, data=(some, np.arange(48) % 2), lr=1e8, **quick)


@pytest.mark.parametrize(
    "error, says",
    [
        (MemoryError(), "not enough memory; take a smaller --batch-size or --image-size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), "not enough memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
            "not enough",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "r/last.ckpt"),
            "(r/last.ckpt); make room; what was",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "r"), "Permission denied (r)"),
    ],
)
def test_what_the_machine_lacks_is_told_in_a_line(error, says, tmp_path, capsys, monkeypatch):
    def fail(**given):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ssl_nb.pretraining.pretrain", fail)
    assert cli.main(["pretrain", "--data", "digits", "--out", "r"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ssl_nb: ") and says in said and said.count("\n") == 1


def test_other_errors_keep_their_traceback(tmp_path, monkeypatch):
    def fail(**given):
        raise RuntimeError("a mistake of ours")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ssl_nb.pretraining.pretrain", fail)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        cli.main(["pretrain", "--data", "digits", "--out", "r"])


def test_a_full_disk_names_the_checkpoint(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as found:
        line(tmp_path)
    assert found.value.filename == str(tmp_path / "last.ckpt")


def test_no_error_stream_is_no_error(monkeypatch):
    for stream in (None, type("Log", (), dict(write=lambda self, s: 0, flush=lambda self: None))()):
        monkeypatch.setattr(sys, "stderr", stream)
        assert list(progress(range(3), "counting")) == [0, 1, 2]


def test_closed_streams_are_opened_on_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["presets", "nothing-of-this-name"]) == 2
    assert sys.stderr.name == os.devnull
    sys.stderr.close()


@pytest.mark.parametrize(
    "wrong", [dict(RANK="a"), dict(WORLD_SIZE="-2"), dict(LOCAL_RANK="one"), dict(RANK="5")]
)
def test_numbers_of_processes_that_are_none(wrong, monkeypatch, capsys):
    told = dict(RANK="0", WORLD_SIZE="2", LOCAL_RANK="0", MASTER_ADDR="localhost") | wrong
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SslNbError, match="unset them"):
        torchrun_process()
    assert cli.main(["pretrain", "--data", "digits"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_paths_that_are_no_text_are_kept(tmp_path):
    odd = os.fsdecode(b"t\xff/two\nlines")
    write_json(tmp_path / "a.json", dict(data=odd, name="Müller"))
    (tmp_path / "a.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "a.json") == dict(data=odd, name="Müller")
