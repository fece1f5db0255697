"""Damaged files for every reader: bytes flipped, cut, inserted, and values of another type.

Each file is read in a child process with a limit on memory and time. It holds when the file is read whole and of the
right types, or refused by an `SslNbError` of one line. A number that became another number is read: nothing tells it.
"""

import copy
import csv
import io
import json
import os
import resource
import signal
import struct
import sys
import warnings
from pathlib import Path

import numpy as np

READERS = {}
MEMORY, SECONDS, PATIENCE = 2**30, 5, 120  # bytes beyond the start; of the processor; of the clock
ODD = [
    b"",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"9" * 30,
    b"\xff\xfe",
    b"\0",
    b",",
    b'"',
    b"\n",
]
ODD_VALUES = [
    None,
    True,
    -1,
    0,
    1.5,
    10**12,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "1",
    [],
    [3],
    {},
    {"a": 1},
]


def reader(name, swap=None):
    "Register what makes a sound file in a folder and returns (its path, what reads it)"

    def keep(make):
        READERS[name] = make, swap
        return make

    return keep


# --- damage


def flipped(content, draw):
    "One to four bytes are others"
    new = bytearray(content)
    for place in draw.integers(len(new), size=draw.integers(1, 5)):
        new[place] ^= int(draw.integers(1, 256))
    return bytes(new)


def cut(content, draw):
    "A piece is missing, or the end"
    first, last = sorted(int(i) for i in draw.integers(len(content) + 1, size=2))
    return content[:first] + (b"" if draw.random() < 0.5 else content[last:])


def inserted(content, draw):
    "Something odd, random bytes, or a piece once more stands between"
    place = int(draw.integers(len(content) + 1))
    size = int(draw.integers(1, 40))
    what = [ODD[draw.integers(len(ODD))], draw.bytes(size), content[place : place + size]][draw.integers(3)]
    return content[:place] + what + content[place:]


def damaged(content, swap, seed):
    "One damaged version of a file, always the same for a seed"
    draw = np.random.default_rng(seed)
    ways = [flipped, cut, inserted, *([swap] if swap else [])]
    return ways[draw.integers(len(ways))](content, draw)


def places(found):
    "(container, key) of every value inside dicts and lists"
    items = found.items() if isinstance(found, dict) else enumerate(found)
    for key, value in items:
        yield found, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def swapped(found, draw):
    "A copy of dicts and lists in which one value is of another kind, or missing"
    new = copy.deepcopy(found)
    every = list(places(new))
    home, key = every[draw.integers(len(every))]
    if draw.random() < 0.2:
        del home[key]
    else:
        home[key] = ODD_VALUES[draw.integers(len(ODD_VALUES))]
    return new


def json_swap(content, draw):
    return json.dumps(swapped(json.loads(content), draw)).encode()


def csv_swap(content, draw):
    "One cell of a table is an odd one"
    rows = list(csv.reader(io.StringIO(content.decode())))
    row = rows[draw.integers(len(rows))]
    row[draw.integers(len(row))] = str(ODD_VALUES[draw.integers(len(ODD_VALUES))])
    return "\n".join(map(",".join, rows)).encode() + b"\n"


def ini_swap(content, draw):
    "One value of a settings file is an odd one"
    lines = content.decode().splitlines()
    at = [i for i, line in enumerate(lines) if "=" in line]
    i = at[draw.integers(len(at))]
    lines[i] = f"{lines[i].partition('=')[0]}= {ODD_VALUES[draw.integers(len(ODD_VALUES))]}"
    return "\n".join(lines).encode()


def checkpoint_swap(content, draw):
    "One value of what torch saved is of another kind"
    import torch

    out = io.BytesIO()
    torch.save(swapped(torch.load(io.BytesIO(content), weights_only=True), draw), out)
    return out.getvalue()


def weights_swap(content, draw):
    "One value of the description in a safetensors file is of another kind"
    size = struct.unpack("<Q", content[:8])[0]
    head = json.loads(content[8 : 8 + size])
    info = head["__metadata__"]
    key = list(info)[draw.integers(len(info))]
    told = {key: json.loads(info[key])}
    info[key] = json.dumps(swapped(told, draw).get(key))
    new = json.dumps(head).encode()
    return struct.pack("<Q", len(new)) + new + content[8 + size :]


def idx_swap(content, draw):
    "Another number in the head of an IDX file"
    at = 4 * int(draw.integers(4))
    number = [0, 1, 255, 2**16, 2**31, 2**32 - 1][draw.integers(6)]
    return content[:at] + struct.pack(">I", number) + content[at + 4 :]


# --- sound files and their readers


@reader("history.csv", csv_swap)
def history(folder):
    from ssl_nb.training import read_history, write_history

    rows = [dict(epoch=i + 1, loss=2.5 - i / 7, lr=1e-3, seconds=0.1 * i) for i in range(6)]
    path = folder / "history.csv"
    write_history(path, rows)

    def read():
        found = read_history(path)
        assert all(isinstance(v, (int, float)) for row in found for v in row.values())

    return path, read


@reader("last.ckpt", checkpoint_swap)
def checkpoint(folder):
    import torch
    from torch.nn import functional as F

    from ssl_nb.data import Batches
    from ssl_nb.training import train

    def train_for(epochs):
        x = torch.tensor([[0.0], [1.0], [2.0]])
        torch.manual_seed(0)
        net = torch.nn.Linear(1, 1)
        train(
            net, Batches(x, 2 * x, 3), F.mse_loss, epochs, torch.optim.SGD(net.parameters(), 0.1), out=folder
        )

    train_for(2)
    return folder / "last.ckpt", lambda: train_for(3)


@reader("model.safetensors", weights_swap)
def model(folder):
    import torch

    from ssl_nb.classifier import Classifier, load_classifier, make_head, save_classifier
    from ssl_nb.encoders import make_encoder

    torch.manual_seed(0)
    net = Classifier(make_encoder("resnet_small", 1, 8, width=2), make_head([16, 2]), ["a", "b"])
    path = folder / "model.safetensors"
    save_classifier(net, path)

    def read():
        assert isinstance(load_classifier(path), Classifier)

    return path, read


def small_run(folder):
    "A finished run, made by hand"
    from ssl_nb.core import write_json
    from ssl_nb.settings import resolve

    given = resolve("pretrain", data="digits")
    given = {k: v if isinstance(v, (str, int, float)) else None for k, v in given.items()}
    write_json(folder / "settings.json", dict(format_version=1, stage="pretrain", run_id="a1", **given))
    write_json(folder / "metrics.json", dict(run_id="a1", loss=2.0, seconds=3.0, knn_acc=0.5, verdict=None))


@reader("settings.json", json_swap)
def settings(folder):
    from ssl_nb.stages import load_run

    small_run(folder)

    def read():
        run = load_run(folder)
        assert isinstance(run.settings["stage"], str) and run.own("digits") in (True, False)

    return folder / "settings.json", read


@reader("metrics.json", json_swap)
def metrics(folder):
    from ssl_nb.core import read_json
    from ssl_nb.runs import check_metrics
    from ssl_nb.stages import load_run

    small_run(folder)
    path = folder / "metrics.json"

    def read():
        load_run(folder)
        found = check_metrics(read_json(path), path)
        assert all(not isinstance(found.get(key), str) for key in ("loss", "seconds", "knn_acc"))

    return path, read


@reader("a record", json_swap)
def record(folder):
    from ssl_nb.runs import record_table, results_dir

    path = folder / "digits-demo.json"
    path.write_bytes((results_dir() / path.name).read_bytes())
    return path, lambda: record_table("digits-demo", {"probe": "linear_acc"}, folder)


@reader("IDX", idx_swap)
def idx(folder):
    from ssl_nb.data import read_idx

    path = folder / "images-idx3-ubyte"
    pixels = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    path.write_bytes(b"\0\0\x08\x03" + struct.pack(">3I", *pixels.shape) + pixels.tobytes())

    def read():
        assert read_idx(path).dtype == np.uint8

    return path, read


def draw_images(folder, n, kind):
    "Small random pictures"
    from PIL import Image

    for i in range(n):
        pixels = np.random.default_rng(i).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.{kind}")


@reader("labels.csv", csv_swap)
def labels(folder):
    from ssl_nb.data import load_data

    draw_images(folder, 12, "png")
    lines = [f"{i}.png,{'cat' if i % 2 else 'dog'},{'test' if i > 8 else 'train'}" for i in range(12)]
    path = folder / "labels.csv"
    path.write_text("\n".join(["file,label,split", *lines, ""]))

    def read():
        assert len(load_data(folder).test)

    return path, read


def image_of(folder, kind):
    from ssl_nb.data import read_files

    draw_images(folder, 1, kind)
    path = folder / f"0.{kind}"

    def read():
        assert read_files(path, 8, 3)[0].shape == (1, 3, 8, 8)

    return path, read


@reader("a PNG image")
def png(folder):
    return image_of(folder, "png")


@reader("a JPEG image")
def jpeg(folder):
    return image_of(folder, "jpg")


@reader("settings of a user", ini_swap)
def presets(folder):
    from ssl_nb.settings import load_presets

    path = folder / "mine.ini"
    path.write_text(
        "[digits]\nepochs = 3\n\n[mine]\ninherit = digits\nlr = 0.5\n\n[mine.pretrain]\nviews = 2\n"
    )

    def read():
        assert all(isinstance(v, str) for keys in load_presets(path).values() for v in keys.values())

    return path, read


# --- in a child process


def memory_in_use():
    "Bytes of address space of this process"
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def outcome(read):
    "`read`, `refused`, or what went wrong"
    from ssl_nb.core import SslNbError

    try:
        read()
    except SslNbError as error:
        says = str(error)
        return "refused" if "\n" not in says and len(says) < 2000 else f"not one line: {says[:200]!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "read"


def seed_of(name, i, seed):
    "What a mutant is drawn from"
    return [seed, list(READERS).index(name), i]


def read_mutants(name, folder, numbers, seed, say):
    "Make the file, then damage and read it once for each number, and say what happened"
    make, swap = READERS[name]
    warnings.simplefilter("ignore")
    path, read = make(folder)
    content = path.read_bytes()
    assert (sound := outcome(read)) == "read", f"the sound file is not read: {sound}"
    beside = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    resource.setrlimit(resource.RLIMIT_AS, (memory_in_use() + MEMORY, resource.RLIM_INFINITY))
    for i in numbers:
        for p, was in beside.items():
            p.write_bytes(was)
        path.write_bytes(damaged(content, swap, seed_of(name, i, seed)))
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        say(outcome(read))


def child(name, folder, numbers, seed, pipe):
    "What the forked process does; it never returns"
    status = 1
    try:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        read_mutants(
            name, folder, numbers, seed, lambda said: os.write(pipe, json.dumps(said).encode() + b"\n")
        )
        status = 0
    except BaseException as error:
        os.write(pipe, json.dumps(f"{type(error).__name__}: {error}"[:300]).encode() + b"\n")
    finally:
        os._exit(status)


def in_a_child(name, folder, numbers, seed):
    "The outcomes of mutants in one forked process, as far as it came, and the last is why it died if it did"
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        child(name, folder, numbers, seed, theirs)
    os.close(theirs)
    with os.fdopen(ours) as lines:
        said = [json.loads(line) for line in lines]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    why = {-signal.SIGPROF: f"over {SECONDS} s", -signal.SIGALRM: f"over {PATIENCE} s of the clock"}
    if status < 0:
        said.append(why.get(status) or f"died by {signal.Signals(-status).name}")
    if status > 0:
        sys.exit(f"{name}: {said[-1]}")
    return said


def outcomes(name, folder, numbers, seed):
    "What happened to each mutant of a reader"
    said, numbers = [], list(numbers)
    while len(said) < len(numbers):
        more = in_a_child(name, folder, numbers[len(said) :], seed)
        assert more, f"{name}: the child said nothing"
        said += more
    return said
