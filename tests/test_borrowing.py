"Borrowed networks: weights that do not fit, a full disk, no network, a kill, and stages on the kept features."

import copy
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import command as ssl_nb

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'ssl_nb[borrow]'")

from ssl_nb import borrow, finetune, load_encoder, load_run, pretrain, probe
from ssl_nb.borrowing import borrowed_encoder, find_weights, fit_timm, read_state
from ssl_nb.classifier import train_classifier
from ssl_nb.core import SslNbError
from ssl_nb.encoders import features, hold_layers
from ssl_nb.frozen import Features, TimmNetwork, store_of

TINY = "test_vit"  # timm's own network for tests, 0.4 million numbers
CONV = "test_resnet"
SMALL = dict(size=32, quiet=True)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    "A file of weights of a tiny network of timm, as timm saves it"
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "conv.pt"
    torch.save(timm.create_model(CONV).state_dict(), path)
    return path


@pytest.fixture
def cache(tmp_path, monkeypatch):
    "An empty cache folder"
    monkeypatch.setenv("SSL_NB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(weights, cache, tmp_path):
    return borrow("digits", f"timm/{CONV}", weights, out=tmp_path / "run", **SMALL)


def photos(folder, n=40, mode="RGB"):
    "A folder of random photographs of two sizes, in two classes"
    draw = np.random.default_rng(0)
    for i in range(n):
        where = folder / f"class {i % 2}"
        where.mkdir(parents=True, exist_ok=True)
        shape = (40, 30 + i % 3, 3)[: 3 if mode == "RGB" else 2]
        Image.fromarray(draw.integers(0, 255, shape).astype(np.uint8)).save(where / f"{i}.png")
    return folder


def test_features_are_computed_once(run, cache, monkeypatch):
    d = run.data()
    monkeypatch.setattr(TimmNetwork, "prepared", None)  # nothing may go through the network again
    h = run.features(d.train)
    assert h.shape == (len(d.train), 96) and h.isfinite().all()
    assert torch.equal(run.features(d.train[[5, 3]]), h[[5, 3]])


def test_kept_features_are_those_of_the_network(run):
    d = run.data()
    some = d.test.x[:9]
    with torch.no_grad():
        direct = run.encoder(some.float() / 255)
    assert torch.allclose(run.features(some), direct, rtol=2e-3, atol=2e-3)


def test_a_trained_network_leaves_the_store_alone(run, cache):
    some, enc = run.data().test.x[:9], load_encoder(run.path)
    before = features(enc, some)
    files = sorted(cache.rglob("*.npz"))
    with torch.no_grad():
        next(iter(enc.body.net.parameters())).add_(0.1)
    assert store_of(enc) is None and not torch.allclose(features(enc, some), before)
    assert sorted(cache.rglob("*.npz")) == files


def test_a_probe_works_on_it_and_says_whose_it_is(run):
    stage = probe(run.path, labels_per_class=5, supervised_steps=2, pictures=False, device="cpu", quiet=True)
    found = ssl_nb("report", str(run.path), cwd=run.path)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert found.returncode == 0, found.stderr
    assert f"timm/{CONV} + linear probe" in page and "SimCLR" not in page and "trained by others" in page
    assert load_run(stage.path).settings["borrowed"] == f"timm/{CONV}"


def test_a_folder_of_photographs_of_several_sizes(weights, cache, tmp_path):
    run = borrow(photos(tmp_path / "photos"), f"timm/{CONV}", weights, out=tmp_path / "run", **SMALL)
    assert run.settings["data_n"] == len(run.data().pile) and run.encoder.channels == 3


def test_grey_and_colour_give_the_same_when_the_colours_are_grey(weights, cache):
    grey, colour = (borrowed_encoder(f"timm/{CONV}", weights, c, 16, 32) for c in (1, 3))
    x = torch.rand(4, 1, 16, 16)
    with torch.no_grad():
        assert torch.allclose(grey(x), colour(x.expand(-1, 3, -1, -1)), atol=1e-5)


def test_a_transformer_takes_another_size(cache, tmp_path):
    file = tmp_path / "vit.pt"
    torch.save(timm.create_model(TINY).state_dict(), file)
    enc = borrowed_encoder(f"timm/{TINY}", file, 3, 20, 96)
    assert features(enc, torch.zeros(2, 3, 20, 20, dtype=torch.uint8)).shape == (2, 64)
    with pytest.raises(SslNbError, match="choose another --size"):
        borrowed_encoder(f"timm/{TINY}", file, 3, 20, 97)


def test_a_wrapped_state_dict_and_safetensors(weights, tmp_path):
    from safetensors.torch import save_file

    state = read_state(weights)
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "a.pt")
    save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        again = read_state(tmp_path / name)
        assert again.keys() == state.keys() and all(torch.equal(again[k], state[k]) for k in state)


def test_weights_that_do_not_fit(weights):
    net, state = TimmNetwork(CONV).net, read_state(weights)
    name = next(k for k in state if k.endswith("weight"))
    for wrong, says in (
        ({k: v for k, v in state.items() if k != name}, "is not there"),
        (state | {name: torch.zeros(2)}, "not \\("),
        (state | {"odd.weight": torch.zeros(2)}, "it has no odd.weight"),
    ):
        with pytest.raises(SslNbError, match=f"x.pt are not those of timm/{CONV}.*{says}"):
            fit_timm(net, wrong, "x.pt", CONV)


def one_line(done, says):
    "Whether a command ended with one line that holds `says`"
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip().splitlines()
    assert len(line) == 1 and line[0].startswith("ssl_nb: ") and says in line[0], done.stderr


@pytest.mark.parametrize(
    "words, says",
    [
        ("digits --encoder timm/resnet_18", "did you mean 'timm/resnet18'"),
        ("digits --encoder small_cnn", "is named timm/NAME"),
        ("digits --encoder timm/resnet18 --weights gone.pt", "there is no file gone.pt"),
        ("digits --encoder timm/resnet18 --weights conv.pt", "are not those of timm/resnet18"),
        ("digits --encoder timm/resnet18 --weights spell.pt", "was not opened"),
        ("digits --encoder timm/resnet18 --weights text.pt", "text.pt"),
        ("digts --encoder timm/resnet18", "did you mean 'digits'"),
        ("dot --encoder timm/test_resnet --weights conv.pt", "8"),
    ],
)
def test_bad_input_is_told_in_one_line(words, says, weights, cache, tmp_path):
    class Spell:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "cast"),)

    torch.save({"w": Spell()}, tmp_path / "spell.pt")
    (tmp_path / "text.pt").write_text("no weights")
    (tmp_path / "conv.pt").write_bytes(weights.read_bytes())
    (tmp_path / "dot").mkdir()
    Image.new("L", (1, 1)).save(tmp_path / "dot" / "a.png")
    extra = ["--image-size", "4"] if words.startswith("dot") else []
    one_line(ssl_nb("borrow", *words.split(), *extra, cwd=tmp_path), says)
    assert not (tmp_path / "cast").exists() and not (tmp_path / "runs").exists()


def test_a_grey_dot_from_python(weights, cache, tmp_path):
    with pytest.raises(SslNbError, match="1x1 pixels"):
        borrow(np.zeros((3, 1, 1), np.uint8), f"timm/{CONV}", weights, out=tmp_path / "run", **SMALL)
    with pytest.raises(SslNbError, match="2 channels"):
        borrow(np.zeros((3, 2, 9, 9), np.uint8), f"timm/{CONV}", weights, out=tmp_path / "run", **SMALL)


def test_a_network_without_one_vector_for_each_image(weights, cache, monkeypatch):
    monkeypatch.setattr(TimmNetwork, "forward", lambda self, x: x)
    with pytest.raises(SslNbError, match="one vector per image"):
        borrowed_encoder(f"timm/{CONV}", weights, 3, 16, 32)


def test_no_network_names_the_file_and_its_place(cache, monkeypatch):
    def away(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("socket.getaddrinfo", away)
    with pytest.raises(SslNbError) as told:
        find_weights("resnet18.a1_in1k")
    for part in ("timm/resnet18.a1_in1k/resolve/main/model.safetensors", str(cache / "weights"), "--weights"):
        assert part in str(told.value)


def test_no_room_for_the_features(weights, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and type("U", (), {"free": 9})()
    )
    with pytest.raises(SslNbError, match="set SSL_NB_CACHE"):
        borrow("digits", f"timm/{CONV}", weights, out=tmp_path / "run", **SMALL)


def test_a_disk_that_takes_nothing(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    store, x = Features(tmp_path / "file" / "home"), torch.arange(30, dtype=torch.uint8).view(10, 1, 1, 3)
    see = lambda part: part.flatten(1).float()
    assert torch.equal(store.of(x, see), x.flatten(1).float())
    assert "computed each time" in capsys.readouterr().err
    with pytest.raises(SslNbError, match="cannot be kept"):
        store.of(x, see, strict=True)


def test_a_killed_run_goes_on(weights, cache, tmp_path):
    "Killed after its first block, it computes the rest only"
    blocks = "import ssl_nb.frozen as f; f.Features.block = 256; from ssl_nb.cli import main; raise SystemExit(main())"
    words = [
        "borrow",
        "digits",
        "--encoder",
        f"timm/{CONV}",
        "--weights",
        str(weights),
        "--out",
        "run",
        "--quiet",
    ]
    go = [sys.executable, "-c", blocks, *words, "--size", "160"]
    first = subprocess.Popen(go, cwd=tmp_path, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not list(cache.rglob("*.npz")) and time.monotonic() < until and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = len(list(cache.rglob("*.npz")))
    assert kept > 0 and not (tmp_path / "run" / "metrics.json").exists()
    done = subprocess.run([*go, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = load_run(tmp_path / "run")
    m = json.loads((found.path / "metrics.json").read_text(encoding="utf-8"))
    assert m["n"] == 1797 and m["computed"] <= 1797 - 256 * kept


def test_without_timm_one_line_says_what_to_install(tmp_path):
    "As if it were not there"
    code = "import sys; sys.modules['timm'] = None; from ssl_nb.cli import main; raise SystemExit(main())"
    words = ["borrow", "digits", "--encoder", "timm/resnet18"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True)
    one_line(done, "pip install 'ssl_nb[borrow]'")


@pytest.mark.parametrize(
    "words, says",
    [
        ("digits --encoders pixels", "name two or more"),
        ("digits --encoders own,pixels", "ssl_nb pretrain --data digits"),
        ("digits --encoders pixls,random", "did you mean 'pixels'"),
        ("digits --encoders timm/resnet_18,pixels", "did you mean 'timm/resnet18'"),
        ("digits --encoders random,pixels --labels gone.csv", "there is no file gone.csv"),
    ],
)
def test_a_comparison_that_cannot_be_made(words, says, cache, tmp_path):
    one_line(ssl_nb("compare", *words.split(), cwd=tmp_path), says)


def test_a_comparison_with_labels_and_without(run, weights, cache, tmp_path):
    flat = tmp_path / "flat"
    for i, file in enumerate(sorted(photos(tmp_path / "photos").rglob("*.png"))):
        flat.mkdir(exist_ok=True)
        file.rename(flat / f"{i}.png")
    done = ssl_nb("compare", "flat", "--encoders", "random,pixels", cwd=tmp_path)
    assert done.returncode == 0 and "clusters agree" in done.stdout and "probe" not in done.stdout, (
        done.stderr
    )
    words = ["digits", "--encoders", f"{run.path},pixels", "--out", "c.png"]
    done = ssl_nb("compare", *words, cwd=tmp_path)
    assert done.returncode == 0 and "Use pixels: its probe is ahead" in done.stdout, done.stderr
    assert (tmp_path / "c.png").stat().st_size > 1000


def moved(before, after):
    "The names of the weights that differ"
    after = after.state_dict()
    return {k for k, v in before.state_dict().items() if not torch.equal(v, after[k])}


TUNE = dict(labels_per_class=5, steps=3, stop="fixed", pictures=False, device="cpu", quiet=True)


@pytest.mark.parametrize("layers", ["all", "last"])
def test_fine_tuning_whole_or_the_last_block(run, layers):
    stage = finetune(run, layers=layers, **TUNE)
    changed = moved(run.encoder, load_encoder(stage.path))
    blocks = {k.split("net.")[1].split(".")[0] for k in changed if "net." in k}
    assert blocks == (
        {"layer4"} if layers == "last" else {f"layer{i}" for i in (1, 2, 3, 4)} | {"conv1", "bn1"}
    )
    m = json.loads((stage.path / "metrics.json").read_text(encoding="utf-8"))
    assert m["borrowed"] == f"timm/{CONV}" and {"linear_acc", "supervised_acc"} <= m.keys()
    assert stage.settings["layers"] == layers


def test_held_layers_keep_their_statistics(run):
    encoder = copy.deepcopy(run.encoder)
    held = hold_layers(encoder.body)
    norms = [m for part in held for m in part.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [m.running_mean.clone() for m in norms]
    d = run.data()
    train_classifier(encoder, d.train[:40], steps=3)
    assert norms and all(torch.equal(m.running_mean, b) for m, b in zip(norms, before))
    assert all(p.grad is None for part in held for p in part.parameters())


def test_a_transformer_holds_all_but_its_last_block(cache, tmp_path):
    net = TimmNetwork(TINY, 3, 32)
    held = hold_layers(net)
    learns = {k.split(".")[2] if "blocks" in k else k for k, p in net.named_parameters() if p.requires_grad}
    last = str(len(net.net.blocks) - 1)
    assert last in learns and "0" not in learns and not any("cls_token" in k or "patch" in k for k in learns)
    assert net.net.blocks[0] in held


def test_simclr_goes_on_from_it_and_keeps_whose_it_is(run, tmp_path):
    brief = dict(epochs=1, batch_size=64, n_images=128, device="cpu", quiet=True)
    further = pretrain("digits", encoder=run.path, image_size=run.encoder.size, out=tmp_path / "on", **brief)
    assert len(moved(run.encoder, further.encoder)) > 10
    assert further.settings["borrowed"] == f"timm/{CONV} + SimCLR"
    assert further.settings["parent"]["path"] == run.path.name
    stage = probe(further, labels_per_class=5, supervised_steps=2, pictures=False, device="cpu", quiet=True)
    assert stage.settings["borrowed"] == f"timm/{CONV} + SimCLR"
    found = ssl_nb("report", str(further.path), cwd=tmp_path)
    page = (further.path / "report.html").read_text(encoding="utf-8")
    assert found.returncode == 0 and f"timm/{CONV} + SimCLR + linear probe" in page, found.stderr


def test_simclr_on_a_bare_network_of_timm_says_so(tmp_path):
    words = f"pretrain digits --encoder timm/{CONV} --input-size 32 --epochs 1 --n-images 64 --batch-size 32"
    done = ssl_nb(*words.split(), "--out", "bare", cwd=tmp_path)
    assert done.returncode == 0 and "starts here without weights" in done.stderr, done.stderr
