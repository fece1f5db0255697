"""The real data sets, where `SSL_NB_DATA` has them, and the encoders that were trained on them.

Where it has not, the tests are skipped, and counted so.
"""

import os
from pathlib import Path

import pytest

from ssl_nb.core import SslNbError
from ssl_nb.data import load_data
from ssl_nb.runs import read_record, results_dir, shipped_model

FOLDERS = dict(
    mnist=["MNIST/raw"],
    fashion_mnist=["FashionMNIST/raw"],
    cifar10=["cifar-10-batches-py", "cifar10-jpeg.tar.xz"],
)
RECORDS = dict(mnist="mnist-linear", fashion_mnist="fashion-linear")


@pytest.fixture(scope="module")
def real():
    "Load a real data set once, or skip the test"
    loaded = {}

    def load(name):
        home = os.environ.get("SSL_NB_DATA")
        if not home or not any((Path(home) / folder).exists() for folder in FOLDERS[name]):
            pytest.skip(f"SSL_NB_DATA has no {name}")
        if name not in loaded:
            loaded[name] = load_data(name)
        return loaded[name]

    return load


@pytest.mark.parametrize(
    "name, sizes, shape",
    [
        ("mnist", [55_000, 5_000, 10_000], (1, 28, 28)),
        ("fashion_mnist", [55_000, 5_000, 10_000], (1, 28, 28)),
        ("cifar10", [45_000, 5_000, 10_000], (3, 32, 32)),
    ],
)
def test_a_real_data_set_is_whole(name, sizes, shape, real):
    data = real(name)
    assert [len(part) for part in (data.train, data.valid, data.test)] == sizes and data.train.shape == shape
    assert len(data.classes) == 10 and all(
        part.y.bincount().min() >= len(part) / 10 * 0.85 for part in (data.train, data.valid, data.test)
    )
    assert load_data(name).sha256 == data.sha256  # the same split every time
    if name in RECORDS:
        assert read_record(RECORDS[name])["data"]["sha256"] == data.sha256


@pytest.mark.parametrize("name", list(RECORDS))
def test_a_kept_encoder_is_as_good_as_its_record_says(name, real):
    from ssl_nb.encoders import features, knn_predict
    from ssl_nb.stages import load_encoder

    data, record = real(name), read_record(RECORDS[name])
    kept = sorted((results_dir() / "encoders").glob(f"{name}-seed-*.safetensors"))
    assert len(kept) == len(record["seeds"]) and all(path.stat().st_size < 2e6 for path in kept)
    encoder = load_encoder(kept[0])
    some, test = data.train[:20_000], data.test[:2_000]
    right = (
        (knn_predict(features(encoder, some), some.y, features(encoder, test), 10) == test.y)
        .float()
        .mean()
        .item()
    )
    assert (
        right > record["metrics"]["knn_acc"][0] - 0.02
    )  # fewer labelled neighbours and half precision cost a little


@pytest.mark.parametrize("name", list(RECORDS))
def test_a_shipped_model_is_as_good_as_its_record_says(name, real):
    from ssl_nb.classifier import load_classifier

    record, test, model = (
        read_record(RECORDS[name]),
        real(name).test[:4_000],
        load_classifier(shipped_model(name)),
    )
    right = (model.predict(test.x) == test.y).float().mean().item()
    assert (
        abs(right - record["metrics"]["linear_acc"][0]) < 0.015 and shipped_model(name).stat().st_size < 1.7e6
    )  # 4,000 of 10,000 images
    card = shipped_model(name).with_suffix(".md").read_text()
    assert f"`ssl_nb reproduce {record['name']}`" in card and record["data"]["sha256"][:12] in card


def test_a_missing_data_set_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_NB_DATA", str(tmp_path))
    monkeypatch.setenv("SSL_NB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "torchvision.datasets.CIFAR10.download", lambda self: (_ for _ in ()).throw(OSError("no network"))
    )
    with pytest.raises(SslNbError) as error:
        load_data("cifar10")
    said = str(error.value)
    assert (
        "\n" not in said
        and all(place in said for place in ("SSL_NB_DATA: ", "the cache: ", "the download: "))
        and not list(tmp_path.glob("cifar*"))
    )
