"The hub: a model there and back through a small server, repositories that are not ours, and data sets of `datasets`."

import base64
import hashlib
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import code as start
from conftest import command as ssl_nb

hub = pytest.importorskip("huggingface_hub", reason="not installed: pip install 'ssl_nb[hub]'")
datasets = pytest.importorskip("datasets", reason="not installed: pip install 'ssl_nb[hub]'")

from ssl_nb import finetune, from_hub, load_encoder, load_run, predict, pretrain, probe, pull_from_hub
from ssl_nb.core import SslNbError
from ssl_nb.data import load_data
from ssl_nb.encoders import features
from ssl_nb.hub import model_card, write_repository

SMALL = dict(n_images=150, image_size=8, epochs=1, device="cpu", quiet=True)
FAST = dict(baselines=False, pictures=False, device="cpu", quiet=True)


class Hub(BaseHTTPRequestHandler):
    "As much of the hub as a push and a pull of small files ask for"

    repositories, tokens = {}, {"Bearer hf_right"}

    def do_POST(self):
        path, body = self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path.endswith("/validate-yaml"):
            return self.answer(200, dict(errors=[], warnings=[]))
        if self.headers.get("Authorization") not in self.tokens:
            return self.answer(401, dict(error="Invalid username or password."))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'somebody'}/{asked['name']}"
            self.repositories.setdefault(name, {})
            return self.answer(200, dict(url=f"{self.home()}/{name}", name=name))
        name = "/".join(path.split("/")[3:5])
        if "/preupload/" in path:
            files = [dict(f, uploadMode="regular", shouldIgnore=False) for f in json.loads(body)["files"]]
            return self.answer(200, dict(files=files))
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self.answer(
            200, dict(commitUrl=f"{self.home()}/{name}/commit/1", commitOid="1" * 40, success=True)
        )

    def do_GET(self):
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts[0] == "api" and parts[1] == "models":
            name = "/".join(parts[2:4])
            if name not in self.repositories:
                return self.answer(404, dict(error="Repository not found"), {"X-Error-Code": "RepoNotFound"})
            files = self.repositories[name]
            if "tree" in parts:
                return self.answer(
                    200, [dict(type="file", path=f, size=len(v), oid=_sum(v)) for f, v in files.items()]
                )
            return self.answer(200, dict(id=name, sha="1" * 40, siblings=[dict(rfilename=f) for f in files]))
        return self.file("/".join(parts[:2]), parts[-1])

    do_HEAD = do_GET

    def file(self, name, file):
        content = self.repositories.get(name, {}).get(file)
        if content is None:
            return self.answer(404, {}, {"X-Error-Code": "EntryNotFound"})
        return self.answer(200, content, {"ETag": f'"{_sum(content)}"', "X-Repo-Commit": "1" * 40})

    def home(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status, content, headers=()):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in dict(headers, **{"Content-Length": len(content)}).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_):
        "Say nothing"


def _sum(content):
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def server(tmp_path):
    "The environment of a command that talks to the small hub"
    Hub.repositories.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    away = {name: "" for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")}
    home = dict(HF_HOME=str(tmp_path / "hf"), HF_ENDPOINT=f"http://127.0.0.1:{running.server_port}")
    yield away | home | dict(HF_TOKEN="hf_right")
    running.shutdown()
    running.server_close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    "A run of pretraining with a probe on it"
    run = pretrain("digits", out=tmp_path_factory.mktemp("runs") / "digits", **SMALL)
    probe(run, labels_per_class=5, **FAST)
    return run


@pytest.fixture
def repository(run, tmp_path):
    return write_repository(run, tmp_path / "repository", "somebody/digits", licence="mit")


def one_line(done, says):
    "A command that ended in bad input, with one line"
    line = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(line) == 1 and line[0].startswith("ssl_nb: "), done.stderr
    assert says in line[0]


# --- models


def test_a_classifier_comes_back_bit_for_bit(run, repository, tmp_path):
    x = load_data("digits").test.x[:60]
    was, now = (load(path) for load, path in ((from_hub, repository), (_classifier, run.path / "probe")))
    assert torch.equal(was.predict_proba(x), now.predict_proba(x)) and was.classes == now.classes
    file = pull_from_hub(repository, tmp_path / "pulled")
    assert [r["class"] for r in predict(file, x.numpy())] == [was.classes[i] for i in was.predict(x)]


def _classifier(path):
    from ssl_nb.classifier import load_classifier

    return load_classifier(path)


def test_an_encoder_comes_back_bit_for_bit(run, tmp_path):
    encoder = from_hub(write_repository(run, tmp_path / "r", part="encoder"))
    x = load_data("digits").test.x[:60]
    assert torch.equal(features(encoder, x), run.features(x))
    assert torch.equal(features(load_encoder(tmp_path / "r" / "model.safetensors"), x), run.features(x))


def test_the_card_is_read_back(repository, tmp_path):
    card = hub.ModelCard.load(repository / "README.md")
    assert (card.data.library_name, card.data.license, card.data.model_name) == ("ssl_nb", "mit", "digits")
    (score,) = card.data.eval_results
    m = json.loads((load_run_of(repository) / "metrics.json").read_text(encoding="utf-8"))
    assert score.dataset_name == "digits" and score.metric_value == round(m["linear_acc"], 4)
    assert "150 images of digits" in card.text and str(tmp_path.parent) not in card.content
    card.save(tmp_path / "again.md")
    assert hub.ModelCard.load(tmp_path / "again.md").data.to_dict() == card.data.to_dict()


def load_run_of(repository):
    "The folder of the probe in the card of `repository`"
    return next(repository.parent.parent.glob("runs*/digits/probe"))


def test_an_encoder_is_scored_by_its_probe(run):
    card = hub.ModelCard(model_card(run, part="encoder"))
    assert card.data.pipeline_tag == "image-feature-extraction" and "SimCLR + linear probe" in card.text


def test_a_stage_alone_can_be_sent(run, tmp_path):
    stage = finetune(run, labels_per_class=5, stop="fixed", steps=2, **FAST)
    card = model_card(stage)
    assert "stage `finetune`, 50 labels" in card and "stage `pretrain`" in card
    write_repository(stage, tmp_path / "r")
    assert from_hub(tmp_path / "r").classes == [str(i) for i in range(10)]
    shutil.rmtree(stage.path)


def test_a_borrowed_network_is_called_borrowed(borrowed, tmp_path):
    from ssl_nb import distil

    card = hub.ModelCard(model_card(borrowed))
    assert "Borrowed weights" in card.text and "with labels (ImageNet or larger)" in card.text
    assert card.data.base_model == "timm/test_resnet.r160_in1k" and card.data.license == "apache-2.0"
    assert "borrowed-weights" in card.data.tags and "self-supervised-learning" not in card.data.tags
    encoder = from_hub(write_repository(borrowed, tmp_path / "r"))
    x = borrowed.data().test.x[:20]
    assert torch.equal(features(encoder, x), borrowed.features(x))
    student = distil(borrowed, encoder="resnet_small", width=4, epochs=1, device="cpu", quiet=True)
    assert "learned from `timm/test_resnet`" in model_card(student).replace("It l", "l")


def test_there_and_back_through_a_hub(run, server, tmp_path):
    sent = ssl_nb("push", run.path, "somebody/digits", "--licence", "mit", cwd=tmp_path, **server)
    assert sent.returncode == 0 and "/somebody/digits" in sent.stdout, sent.stderr
    assert set(Hub.repositories["somebody/digits"]) >= {"README.md", "config.json", "model.safetensors"}
    got = ssl_nb("pull", "somebody/digits", cwd=tmp_path, **server)
    assert got.returncode == 0 and "ssl_nb predict digits/model.safetensors FOLDER" in got.stdout, got.stderr
    x = load_data("digits").test.x[:60]
    was = _classifier(run.path / "probe").predict_proba(x)
    assert torch.equal(from_hub(tmp_path / "digits").predict_proba(x), was)
    # what was fetched is there without a network, too
    again = ssl_nb("pull", "somebody/digits", "--out", "b", cwd=tmp_path, **server | dict(HF_HUB_OFFLINE="1"))
    assert again.returncode == 0 and (tmp_path / "b" / "model.safetensors").is_file(), again.stderr
    one_line(ssl_nb("pull", "somebody/digits", cwd=tmp_path, **server), "holds a model already")


@pytest.mark.parametrize(
    "words, more, says",
    [
        ("pull somebody/nothing", {}, "the hub has no repository somebody/nothing, or it is private"),
        (
            "pull somebody/strange",
            {},
            "has pytorch_model.bin and no model.safetensors; a pickle can run code",
        ),
        ("pull somebody/empty", {}, "has no model.safetensors, so `ssl_nb push` has not written it"),
        ("pull a/b/c", {}, "'a/b/c' is no name of a repository"),
        (
            "pull somebody/digits",
            dict(HF_ENDPOINT="http://no.such.host.invalid"),
            "the hub cannot be reached",
        ),
        ("push RUN somebody/digits", dict(HF_TOKEN="hf_wrong"), "the token is not valid"),
        ("push RUN somebody/digits", dict(HF_TOKEN=""), "no token for the hub: log in with `hf auth login`"),
        (
            "push RUN somebody/digits",
            dict(HF_ENDPOINT="http://no.such.host.invalid"),
            "write a folder with --out",
        ),
        ("push RUN", {}, "name the repository, OWNER/NAME, or a folder to write with --out"),
        ("push gone somebody/digits", {}, "no run folder at gone"),
    ],
)
def test_what_goes_wrong_at_the_hub_is_told_in_one_line(words, more, says, run, server, tmp_path):
    Hub.repositories |= {
        "somebody/strange": {"pytorch_model.bin": b"cos"},
        "somebody/empty": {"README.md": b"x"},
    }
    words = [str(run.path) if word == "RUN" else word for word in words.split()]
    one_line(ssl_nb(*words, cwd=tmp_path, **server | more), says)
    assert [path.name for path in tmp_path.iterdir() if path.name != "hf"] == []


def damage(folder, kind):
    "What may be wrong with a repository"
    model, config = folder / "model.safetensors", folder / "config.json"
    about = json.loads(config.read_text(encoding="utf-8"))
    if kind == "cut":
        model.write_bytes(model.read_bytes()[:-100])
    elif kind == "pickle":
        torch.save({"a": torch.ones(1)}, model)
        about["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    elif kind == "version":
        about["format_version"] = 99
    elif kind == "library":
        about["library_name"] = "transformers"
    elif kind == "no config":
        return config.unlink()
    config.write_text("{" if kind == "config" else json.dumps(about), encoding="utf-8")


@pytest.mark.parametrize(
    "kind, says",
    [
        ("cut", "its checksum differs"),
        ("pickle", "is not a safetensors file"),
        ("version", "was written in format 99, this version reads 1; update ssl_nb"),
        ("library", "holds a model of another library"),
        ("no config", "has no config.json"),
        ("config", "is not valid JSON"),
    ],
)
def test_a_repository_that_is_not_sound_is_refused(kind, says, repository, tmp_path):
    damage(repository, kind)
    with pytest.raises(SslNbError, match=says) as told:
        from_hub(repository)
    assert "\n" not in str(told.value)
    if kind != "pickle":  # what is damaged is not copied either
        with pytest.raises(SslNbError, match=says):
            pull_from_hub(repository, tmp_path / "pulled")
        assert not (tmp_path / "pulled").exists()


def test_folders_of_others_are_left_alone(run, repository, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    for write in (write_repository, lambda _, out: pull_from_hub(repository, out)):
        with pytest.raises(SslNbError, match="exists and holds other files"):
            write(run, tmp_path / "mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"
    with pytest.raises(SslNbError, match="holds a model already"):
        write_repository(run, repository)
    with pytest.raises(SslNbError, match="is the folder itself"):
        pull_from_hub(repository, repository, force=True)
    assert from_hub(write_repository(run, repository, force=True)).classes


def test_an_unfinished_run_is_not_sent(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "half", ignore=shutil.ignore_patterns("metrics.json", "probe"))
    with pytest.raises(SslNbError, match="is not finished"):
        write_repository(tmp_path / "half", tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "library, words",
    [("huggingface_hub", ["pull", "somebody/digits"]), ("datasets", ["data", "hf:somebody/digits"])],
)
def test_without_the_extra_one_line_says_what_to_install(library, words, tmp_path):
    code = (
        f"import sys; sys.modules['{library}'] = None; from ssl_nb.cli import main; raise SystemExit(main())"
    )
    one_line(start(code, *words, cwd=tmp_path), "pip install 'ssl_nb[hub]'")


# --- data sets

KINDS = ["zebra", "ape", "cow"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    "Caches of their own, and no bars"
    monkeypatch.setenv("SSL_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    return tmp_path


def rows(n, seed=0, label=True):
    "Rows of pictures of many shapes, the shade of which is their class"
    draw = np.random.default_rng(seed)
    y = [i % 3 for i in range(n)]
    shapes = [(20 + i % 7, 30 - i % 5, 3) for i in range(n)]
    pictures = [
        Image.fromarray((80 * c + draw.integers(0, 40, s)).astype(np.uint8)) for c, s in zip(y, shapes)
    ]
    kinds = dict(image=datasets.Image())
    columns = dict(image=pictures)
    if label:
        kinds, columns = kinds | dict(label=datasets.ClassLabel(names=KINDS)), columns | dict(label=y)
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def parquet(folder, **splits):
    folder.mkdir(parents=True, exist_ok=True)
    for split, found in splits.items():
        found.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return f"hf:{folder}"


def test_splits_classes_and_pixels(home):
    name = parquet(home / "animals", train=rows(60), validation=rows(15, 1), test=rows(30, 2))
    d = load_data(name, 16)
    assert (len(d.train), len(d.valid), len(d.test), d.classes) == (60, 15, 30, KINDS)
    assert (
        d.name == "animals"
        and d.train.shape == (3, 16, 16)
        and set(d.test.names) == {f"test/{i}" for i in range(30)}
    )
    shade = d.train.x.float().mean((1, 2, 3))
    assert ((shade / 80).int() == d.train.y).all()


def test_one_split_is_divided_and_missing_labels_are_unlabelled(home):
    d = load_data(parquet(home / "one", train=rows(60)), 16)
    assert sum(len(p) for p in (d.train, d.valid, d.test)) == 60 and len(d.test) == 12
    hidden = rows(12).remove_columns("label").add_column("label", [-1] * 12).cast(rows(3).features)
    d = load_data(parquet(home / "two", train=rows(60), test=hidden), 16)
    assert len(d.rest) == 12 and sum(len(p) for p in (d.train, d.valid, d.test)) == 60


def test_no_labels_and_what_save_to_disk_wrote(home):
    datasets.DatasetDict(train=rows(20, label=False)).save_to_disk(home / "disk")
    d = load_data(f"hf:{home / 'disk'}", 16)
    assert d.train.y is None and len(d.train) == 20
    rows(20).save_to_disk(home / "single")
    assert load_data(f"hf:{home / 'single'}", 16).classes == KINDS


def test_it_is_decoded_once_and_again_when_it_changes(home, monkeypatch):
    import ssl_nb.data as data

    monkeypatch.setattr(data, "_worth", (10, 10))
    name = parquet(home / "animals", train=rows(60))
    first = load_data(name, 16)
    decoded = data._decoded
    monkeypatch.setattr(data, "_decoded", None)  # nothing may be decoded again
    assert load_data(name, 16).sha256 == first.sha256
    monkeypatch.setattr(data, "_decoded", decoded)
    assert load_data(parquet(home / "animals", train=rows(60, 3)), 16).sha256 != first.sha256


def test_a_run_finds_its_images_again(home):
    name = parquet(home / "animals", train=rows(60), test=rows(20, 1))
    run = pretrain(name, **SMALL | dict(n_images=50), out=home / "run")
    found = load_run(home / "run").data()
    assert found.sha256 == run.data().sha256 and len(found.train) + len(found.rest or []) == 50
    assert load_run(home / "run").data(size=12).train.shape == (3, 12, 12)
    shutil.rmtree(home / "animals")
    with pytest.raises(SslNbError, match="there is no folder"):
        load_run(home / "run").data()


def test_broken_images_and_strange_splits(home, capsys):
    bad = rows(30).cast_column("image", datasets.Image(decode=False)).to_list()
    bad[4]["image"] = dict(bytes=b"no image", path=None)
    broken = datasets.Dataset.from_list(bad).cast(rows(3).features)
    datasets.DatasetDict(train=broken, extra=rows(9)).save_to_disk(home / "broken")
    name = f"hf:{home / 'broken'}"
    with pytest.raises(SslNbError, match=r"1 of 30 files .* train/4 \(no image\)"):
        load_data(name, 16)
    assert "left out the splits extra" in capsys.readouterr().err
    assert sum(map(len, load_data(name, 16, "skip").parts.values())) == 29


@pytest.mark.parametrize(
    "words, says",
    [
        ("data hf:./gone", "there is no folder ./gone"),
        ("pretrain hf:./gone", "there is no folder ./gone"),
        ("data hf:texts", "has no column of images, but text"),
        ("data hf:nothing", "is no data set of `datasets`"),
        ("data hf:somebody/animals", "the hub cannot be reached (HF_HUB_OFFLINE is set); go online once"),
    ],
)
def test_bad_data_is_told_in_one_line(words, says, tmp_path):
    (tmp_path / "nothing").mkdir()
    (tmp_path / "texts").mkdir()
    datasets.Dataset.from_dict(dict(text=["a", "b"])).to_parquet(tmp_path / "texts" / "train.parquet")
    off = dict(HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hf"))
    one_line(ssl_nb(*words.split(), cwd=tmp_path, **off), says)
