"""Images in: the real data sets, where `SSL_NB_DATA` has them, and the encoders that were trained on them (skipped, and
counted so, where it has not); odd piles of images; data sets of one's own."""

import contextlib
import gzip
import io
import os
import platform
import shutil
import struct
import tarfile
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch as mock_patch

import numpy as np
import pytest
import torch
from fastcore.test import ExceptionExpected
from fastcore.test import test_eq as same
from PIL import Image

import ssl_nb.data as data_module
from ssl_nb.core import SslNbError
from ssl_nb.data import (
    DATASETS,
    ImageData,
    Images,
    load_data,
    part_of,
    read_files,
    read_idx,
    resize,
    to_images,
)
from ssl_nb.runs import read_record
from ssl_nb.settings import all_params, peek, stage_params
from ssl_nb.stages import data_of

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
    from ssl_nb.runs import results_dir
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
    from ssl_nb.runs import shipped_model

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


@pytest.fixture(scope='module')
def digits():
    return load_data('digits')


def _loud(*args, read=load_data, **kw):
    "What is read, and what is said about it"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        d = read(*args, **kw)
    return d, said.getvalue()


def test_arrays_that_would_have_to_be_guessed():
    with ExceptionExpected(SslNbError, 'NaN'):
        to_images(torch.full((2, 8, 8), float('nan')))
    with ExceptionExpected(SslNbError, 'no images'):
        to_images(torch.zeros(0, 8, 8))
    with ExceptionExpected(SslNbError, 'one label per image'):
        to_images(torch.zeros(5, 8, 8), [0, 1])


def test_parts_that_cannot_be(digits):
    with ExceptionExpected(SslNbError, 'has 1,097 images'):
        part_of(digits, 5000)
    with ExceptionExpected(SslNbError, 'contradict'):
        part_of(digits, 100, 5)
    with ExceptionExpected(SslNbError, 'no labels'):
        part_of(ImageData('bare', Images(digits.train.x)), images_per_class=5)


def test_idx_files():
    with tempfile.TemporaryDirectory() as d:
        f = Path(d) / 'idx'
        good = b'\0\0\x08\x02' + struct.pack('>2I', 2, 3) + bytes(range(6))
        f.write_bytes(good)
        same(read_idx(f), np.arange(6).reshape(2, 3))
        f.write_bytes(gzip.compress(good))
        same(read_idx(f).shape, (2, 3))
        for bad, why in (
            (gzip.compress(good)[:-6], 'truncated'),
            (good[:-1], 'should hold 6 bytes'),
            (b'PK' + good, 'not an IDX'),
            (good[:7], 'header'),
        ):
            f.write_bytes(bad)
            with ExceptionExpected(SslNbError, why):
                read_idx(f)
        with ExceptionExpected(SslNbError, 'cannot read'):
            read_idx(Path(d) / 'nothing')


def test_mnist_in_a_folder():
    with (
        tempfile.TemporaryDirectory() as d,
        mock_patch.dict(os.environ, SSL_NB_DATA=d, SSL_NB_CACHE=d + '/cache'),
    ):
        raw = Path(d) / 'MNIST' / 'raw'
        raw.mkdir(parents=True)

        def put(part, n, labels):
            (raw / f'{part}-images-idx3-ubyte').write_bytes(
                b'\0\0\x08\x03' + struct.pack('>3I', n, 4, 4) + bytes(16 * n)
            )
            (raw / f'{part}-labels-idx1-ubyte').write_bytes(
                b'\0\0\x08\x01' + struct.pack('>I', len(labels)) + bytes(labels)
            )

        put('train', 6000, [i % 10 for i in range(6000)])
        put('t10k', 20, [i % 10 for i in range(20)])
        m = load_data('mnist')
        same([len(m.train), len(m.valid), len(m.test)], [5400, 600, 20])
        put('t10k', 20, [0] * 19)
        with ExceptionExpected(SslNbError, '20 t10k images but 19 labels'):
            load_data('mnist')
        put('t10k', 2, [0, 10])
        with ExceptionExpected(SslNbError, 'holds label 10'):
            load_data('mnist')
        with mock_patch('torchvision.datasets.FashionMNIST', side_effect=OSError('no network')):
            try:
                load_data('fashion_mnist')
            except SslNbError as e:
                assert 'SSL_NB_DATA: ' in str(e) and 'the cache: ' in str(e) and 'no network' in str(e)
            else:
                raise AssertionError
        assert not (Path(d) / 'FashionMNIST').exists()  # nothing was put into SSL_NB_DATA


def test_links():
    with tempfile.TemporaryDirectory() as t:
        t = Path(t)
        (t / 'cat').mkdir()
        (t / 'cat' / '1.png').write_bytes(b'')
        (t / '.trash').write_bytes(b'')
        links = {
            'cat/round': t,
            'dog': t / 'cat',
            'itself': t / 'itself',
            'gone.png': t / 'nothing',
            '2.png': t / 'cat' / '1.png',
            'device.png': '/dev/null',
        }
        for name, to in links.items():
            (t / name).symlink_to(to)
        files, bad = data_module._files_in(t)
        same([f.relative_to(t).as_posix() for f in files], ['2.png', 'cat/1.png'])
        same({f.name for f, _ in bad}, {'round', 'dog', 'itself', 'gone.png', 'device.png'})
        same(
            {f.name: w for f, w in bad if f.suffix},
            {'gone.png': 'a link to nothing', 'device.png': 'no ordinary file'},
        )


def _parts_of(*items):
    "How many images of each class each part gets"
    items = [(Path(f'{i}.png'), *it) for i, it in enumerate(items)]
    classes, y, parts = data_module._arranged('photos', items)
    return {
        p: [int((y[i] == c).sum()) for c in range(len(classes))] if p != 'rest' else len(i)
        for p, i in parts.items()
    }


def _of(part=None, **n):
    return [(c, part) for c, k in n.items() for _ in range(k)]


def test_shares_of_the_classes():
    same(_parts_of(*_of(a=25, b=25)), dict(train=[18, 18], valid=[2, 2], test=[5, 5]))
    same(
        _parts_of(*_of(a=100, b=4, c=2, d=1)),
        dict(train=[72, 3, 1, 1], valid=[8, 0, 0, 0], test=[20, 1, 1, 0]),
    )
    same(_parts_of(*_of(a=3, b=3), *_of('rest', a=30)), dict(train=[2, 2], test=[1, 1], rest=30))
    same(
        _parts_of(*_of(a=3, b=20), *_of('test', a=9, b=9), *_of('rest', a=30)),
        dict(train=[3, 18], valid=[0, 2], test=[9, 9], rest=30),
    )
    same(_parts_of(*_of(a=1, b=1)), dict(train=[1, 1]))
    same(_parts_of(*_of(a=7)), dict(train=[7]))
    with ExceptionExpected(SslNbError, "'b' in photos has no image for training"):
        _parts_of(*_of(a=9), *_of('test', a=9, b=9))
    with ExceptionExpected(SslNbError, "'1' has no image; leave it out"):
        data_module._three_parts(to_images(torch.zeros(9, 8, 8), [0] * 5 + [2] * 4))


def test_read_files(digits):
    with tempfile.TemporaryDirectory() as d:
        d = Path(d)
        (d / 'a b').mkdir()
        deep = digits.test.x[0, 0].numpy().astype(np.uint16) * 257
        Image.fromarray(deep).save(d / '10.png')
        Image.fromarray(np.stack([digits.test.x[1, 0].numpy()] * 3, 2)).resize((30, 50)).save(
            d / 'a b' / '2.webp'
        )
        Image.new('RGBA', (9, 9)).save(d / '9.png')
        x, files, left = read_files(d, 8)
        same([f.name for f in files], ['9.png', '10.png', '2.webp'])
        assert (x[1, 0].int() - digits.test.x[0, 0].int()).abs().max() <= 1
        same(x[0].unique(), torch.tensor([255], dtype=torch.uint8))
        same(read_files(d / '10.png', 12, 3)[0].shape, (1, 3, 12, 12))
        (d / 'z.gif').write_bytes(b'GIF89a')
        with ExceptionExpected(SslNbError, 'z.gif'):
            read_files(d, 8)
        (_, _, left), said = _loud(d, 8, bad_files='skip', read=read_files)
        same([f.name for f, _ in left], ['z.gif'])
        same(said, f'1 of 4 files in {d} cannot be used: z.gif (no image); left out\n')
        os.mkfifo(d / 'pipe')
        # to read from it would be to wait for ever
        for odd in (d / 'pipe', '/dev/null'):
            with ExceptionExpected(SslNbError, 'neither a folder nor an ordinary file'):
                read_files(odd, 8)
            with ExceptionExpected(SslNbError, 'is one file'):
                load_data(odd)
        with ExceptionExpected(SslNbError, 'no file or folder'):
            read_files(d / 'y.gif', 8)
        with ExceptionExpected(SslNbError, '13 channels'):
            read_files(d, 8, 13)


def test_an_empty_name_and_one_image(digits):
    with ExceptionExpected(SslNbError, 'empty name'):
        load_data(' ')
    one = ImageData('one', to_images(digits.train.x[:1], [0], ['a']))
    same(str(one)[:42], 'one: train 1 image of 1x8x8, 1 class, sha25'[:42])


def test_a_folder_with_files_that_are_no_images(digits):
    x = digits.train.x
    with tempfile.TemporaryDirectory() as t:
        t = Path(t) / 'photos'
        t.mkdir()
        with ExceptionExpected(SslNbError, 'holds no images'):
            load_data(t)
        (t / 'notes.txt').write_text('no image')
        with ExceptionExpected(SslNbError, 'holds no images .1 other'):
            load_data(t, bad_files='skip')
        (t / 'notes.txt').unlink()
        for c in 'ab':
            (t / c).mkdir()
            for i in range(10):
                Image.fromarray(x[i, 0].numpy()).resize((12 + i, 10)).save(t / c / f'{i}.png')
        f = load_data(t)
        same(f.classes, ['a', 'b'])
        same(f.train.shape, (1, 10, 10))
        same(len(f.test), 4)
        same(f.left_out, [])
        (t / 'a' / 'broken.png').write_bytes(b'no image')
        (t / 'b' / 'half.png').write_bytes((t / 'a' / '3.png').read_bytes()[:60])
        (t / 'b' / 'Thumbs.db').write_bytes(b'')
        with ExceptionExpected(SslNbError, '2 of 22 files .* a/broken.png .no image., b/half.png .damaged.'):
            load_data(t)
        g, said = _loud(t, bad_files='skip')
        same(g.sha256, f.sha256)
        assert said.endswith('b/half.png (damaged); left out\n')
        same([Path(n).name for n, _ in g.left_out], ['broken.png', 'half.png'])
        same(_loud(dict(data=str(t), image_size=10, bad_files='skip'), read=data_of)[0].sha256, f.sha256)
        with ExceptionExpected(SslNbError, "made from 'photos', which is not found from here"):
            data_of(dict(data='photos', image_size=10))
        with ExceptionExpected(SslNbError, "did you mean 'skip'"):
            load_data(t, bad_files='skp')
        Image.fromarray(x[0, 0].numpy()).save(t / 'stray.png')
        with ExceptionExpected(SslNbError, 'beside the folders of classes, such as stray.png'):
            load_data(t, bad_files='skip')


def bad_tables(rows):
    "Tables that cannot be read, and what is said of them"
    return (
        (rows, 'first line'),
        (['name;class', *rows], "it begins with 'name;class'"),
        (['file,label', *rows, '99.png,two'], '99.png .not there'),
        (['file,label', *rows[:-1]], '19.png .not in labels.csv'),
        (['file,label', *rows, '3.png,two'], 'line 22: 3.png appears twice'),
        (['file,label', *rows, ',two'], 'line 22: there should be'),
        (['file,label,split', '1.png,a,tset'], 'split = tset'),
        (['file,label,split', '1.png,a,test', '2.png,a'], 'for some images'),
    )


def test_a_labels_csv(digits):
    x = digits.train.x
    with tempfile.TemporaryDirectory() as t:
        t = Path(t) / 'photos'
        t.mkdir()
        for i in range(20):
            Image.fromarray(x[i, 0].numpy()).save(t / f'{i}.png')

        def table(*lines):
            (t / 'labels.csv').write_text('\n'.join(lines) + '\n')
            return t

        rows = [f"{i}.png,{['two', 'ten'][i % 2]}" for i in range(20)]
        a = load_data(table('file,label', *rows))
        same([len(a.train), len(a.valid), len(a.test)], [14, 2, 4])
        same(a.classes, ['ten', 'two'])
        same(load_data(t / 'labels.csv').sha256, a.sha256)
        b = load_data(
            table(
                'file,label,split',
                *(f'{r},{"train" if i < 10 else "valid" if i < 14 else "test"}' for i, r in enumerate(rows)),
            )
        )
        same([len(p) for p in (b.train, b.valid, b.test)], [10, 4, 6])
        same({bytes(i.numpy()) for i in b.train.x}, {bytes(i.numpy()) for i in x[:10]})
        assert b.train.y[:5].unique().numel() == 2
        for head, apart in (('File, Label ', ','), (' label;FILE', ';'), ('file\tlabel', '\t')):
            turn = 1 - 2 * ('FILE' in head)
            same(load_data(table(head, *(apart.join(r.split(',')[::turn]) for r in rows))).sha256, a.sha256)
        for lines, why in bad_tables(rows):
            with ExceptionExpected(SslNbError, why):
                load_data(table(*lines))
        c, _ = _loud(table('file,label', *rows, '99.png,two'), bad_files='skip')
        same(c.sha256, a.sha256)
        same([w.split(',')[0] for _, w in c.left_out], ['not there'])
        with ExceptionExpected(SslNbError, 'is one file'):
            load_data(t / '3.png')


def test_parts_and_odd_pictures():
    with tempfile.TemporaryDirectory() as t:
        t = Path(t) / 'photos'
        rng = np.random.default_rng(0)
        for part, n in (('train', 20), ('test', 4)):
            for c in ('1', '2', '10'):
                (t / part / c).mkdir(parents=True)
                for i in range(n):
                    Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(
                        t / part / c / f'{i}.png'
                    )
        d = load_data(t)
        same(d.classes, ['1', '2', '10'])
        same(d.train.shape, (3, 12, 12))
        same([len(p) for p in (d.train, d.valid, d.test)], [54, 6, 12])
        (t / 'test' / '11').mkdir()
        Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(t / 'test' / '11' / '0.png')
        with ExceptionExpected(SslNbError, "class '11' in .* has no image for training"):
            load_data(t)
        odd = t / 'odd'
        odd.mkdir()
        Image.fromarray((np.arange(144, dtype=np.uint16) * 455).reshape(12, 12)).save(odd / 'deep.png')
        Image.fromarray(np.linspace(0, 1, 144, dtype=np.float32).reshape(12, 12)).save(odd / 'float.tif')
        Image.fromarray(np.zeros((12, 12, 4), np.uint8)).save(odd / 'glass.png')
        lying = Image.fromarray(np.repeat(np.arange(12, dtype=np.uint8)[:, None] * 20, 12, 1))
        exif = lying.getexif()
        exif[0x0112] = 6
        lying.save(odd / 'turned.png', exif=exif)
        o = load_data(odd)
        deep, floating, glass, turned = o.train.x.float()
        assert o.train.y is None and (glass == 255).all()
        for im in (deep, floating):
            assert im[0].max() > 250 and 120 < im[0].mean() < 135
        # columns now, dark to the right
        assert turned[0].std(0).max() == 0 and turned[0, 0, 0] > turned[0, 0, -1]


def test_a_pile_without_labels(digits):
    x = digits.train.x
    with tempfile.TemporaryDirectory() as t:
        t = Path(t) / 'photos'

        def put(folder, i):
            (t / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(x[i, 0].numpy()).save(t / folder / f'{i}.png')

        for i in range(50):
            put('unlabelled' if i < 30 else f"labelled/{['two', 'ten'][i % 2]}", i)
        d = load_data(t)
        same([len(p) for p in d.parts.values()], [14, 2, 4, 30])
        same(d.classes, ['ten', 'two'])
        assert d.rest.y is None
        # no second copy
        same(d.pile, torch.cat([d.train.x, d.rest.x]))
        same(d.pile.data_ptr(), d.train.x.data_ptr())
        same({bytes(i.numpy()) for i in d.rest.x}, {bytes(i.numpy()) for i in x[:30]})
        few = part_of(d, n_images=20)
        same((len(few.pile), len(few.test)), (20, 4))
        same(part_of(d, images_per_class=3).rest, None)
        big = resize(d, 12)
        same(big.pile.shape, (44, 1, 12, 12))
        assert big.sha256 != d.sha256
        a = ImageData('two', d.train, d.valid, d.test, rest=d.rest)
        same(a.sha256, d.sha256)
        same(a.pile, d.pile)
        assert ImageData('two', d.train, d.valid, d.test).sha256 != d.sha256
        for folder in (t / 'labelled').iterdir():
            shutil.move(folder, t)
        # class by class beside the pile
        same(load_data(t).sha256, d.sha256)
        shutil.rmtree(t / 'two')
        shutil.rmtree(t / 'ten')
        flat = load_data(t)
        same((len(flat.train), flat.rest, flat.classes), (30, None, []))


# which EXIF takes back
TURNS = [
    None,
    *'FLIP_LEFT_RIGHT ROTATE_180 FLIP_TOP_BOTTOM TRANSPOSE ROTATE_90 TRANSVERSE ROTATE_270'.split(),
]


def _turned(t, im):
    "The picture `im`, turned in all ways, as files that say so"
    for o, turn in enumerate(TURNS, 1):
        exif = Image.Exif()
        exif[0x0112] = o
        turned = im.transpose(Image.Transpose[turn]) if turn else im
        for kind in ('jpg', 'png', 'webp', 'tif'):
            quality = {} if kind == 'tif' else dict(quality=95)
            turned.save(t / f'turn{o}.{kind}', exif=exif, **quality)


def _written(t, im):
    "The picture `im` as files of many kinds"
    a = np.asarray(im.convert('L')).astype(np.uint16)
    deep = a * 257
    save = lambda im, name, **kw: im.save(t / name, **kw)
    for m in ('L', 'LA', 'RGB', 'RGBA', 'P', 'I;16'):
        save(Image.fromarray(deep) if m == 'I;16' else im.convert(m), f"{m.replace(';', '')}.png")
    for m in ('L', 'RGB', 'CMYK'):
        save(im.convert(m), f'{m}.jpg', quality=95)
    for m in ('L', 'RGB', 'CMYK'):
        save(im.convert(m), f'{m}.tif')
    for name, b in (
        ('16.tif', deep),
        ('32.tif', deep.astype(np.int32) * 9),
        ('float.tif', (a / 255).astype(np.float32)),
    ):
        save(Image.fromarray(b), name)
    save(im.convert('RGB'), 'lossless.webp', lossless=True)
    save(im, 'progressive.jpg', quality=95, progressive=True)
    save(im.convert('L'), 'plain.bmp')
    other = im.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    for kind in ('gif', 'webp', 'png', 'tif'):
        save(
            im,
            f'many.{kind}',
            save_all=True,
            append_images=[other],
            **(dict(lossless=True) if kind == 'webp' else {}),
        )
    _turned(t, im)


def test_one_picture_in_many_formats():
    with tempfile.TemporaryDirectory() as t:
        im = Image.fromarray(np.add.outer(np.arange(40) * 4, np.linspace(0, 99, 40)).astype(np.uint8))
        _written(Path(t), im)
        z, files, bad = read_files(t, 40)
        same(bad, [])
        far = (z[:, 0].float() - torch.from_numpy(np.array(im)).float()).abs().mean((1, 2))
        assert far.max() < 3
        same(load_data(t).train.shape, (3, 40, 40))
        small = read_files(t, 8)[0].float()
        assert (small - small.mean(0)).abs().mean() < 3


def test_more_than_eight_bits():
    with tempfile.TemporaryDirectory() as t:
        t = Path(t)
        a = np.linspace(0, 1, 144).reshape(12, 12)

        def bright(kind, *tops):
            "The brightest pixel of images of one kind that lie together, and what is said about them"
            for f in t.iterdir():
                f.unlink()
            for i, top in enumerate(tops):
                Image.fromarray((a * top).astype(kind)).save(t / f'{i}.tif')
            d, said = _loud(t)
            (z, *_), again = _loud(t, 12, read=read_files)
            same(z, d.train.x)
            same(said, again)
            return z.flatten(1).max(1)[0].tolist(), said

        same(bright(np.float32, 1, 0.5, 1.01), ([255, 128, 255], ''))
        same(bright(np.float32, 255, 51), ([255, 51], ''))
        same(bright(np.int32, 255, 51, 256), ([255, 51, 255], ''))
        same(bright(np.int32, 4095, 819), ([255, 51], ''))
        same(bright(np.int32, 65535, 4095), ([255, 16], ''))
        same(bright(np.int32, 200_000, 100_000), ([255, 128], ''))
        same(bright(np.uint16, 65535, 4095), ([255, 16], ''))
        z, said = bright(np.uint16, 4095, 2000)
        same(z, [16, 8])
        assert 'images of 16 bits in' in said and 'go up to 4,095 of 65,535 only' in said


def test_large_pictures_two_at_a_time(digits):
    x = digits.train.x
    with tempfile.TemporaryDirectory() as t:
        for i in range(12):
            Image.fromarray(x[i, 0].numpy()).save(Path(t) / f'{i}.png')
        now, most, lock, plain = 0, 0, threading.Lock(), data_module._plain

        def _slow(*args):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1
            return plain(*args)

        with mock_patch('os.cpu_count', return_value=8), mock_patch('ssl_nb.data._plain', _slow):
            files = [Path(t) / f'{i}.png' for i in range(12) for _ in range(16)]
            a = list(data_module._decoded(files, 8, 'L'))
            few, most = most, 0
            with mock_patch('ssl_nb.data._huge', 9):
                b = list(data_module._decoded(files, 8, 'L'))
        assert few > 2 and most <= 2
        same(b[0][0], a[0][0])


def test_pictures_that_cost_a_line(digits):
    x = digits.train.x
    opened = Image.open

    def _no_entry(path, *a, **kw):
        if 'locked' in str(path):
            raise PermissionError(13, 'Permission denied', str(path))
        return opened(path, *a, **kw)

    with tempfile.TemporaryDirectory() as t:
        t = Path(t) / 'my photos é'
        t.mkdir()
        save = lambda a, name, **kw: Image.fromarray(a).save(t / name, **kw)
        for i in range(4):
            save(x[i, 0].numpy(), f'a\nb {i} é 写真.png')
        save(x[4, 0, :1, :1].numpy(), 'dot.png')
        save(np.full((300, 500), 90, np.uint8), 'poster.jpg')
        same(load_data(t).left_out, [])
        same(load_data(t).train.shape, (1, 8, 8))
        same(len(load_data(t, 16).train), 6)
        assert (load_data(t).train.x[-1].int() - 90).abs().max() <= 1
        save(np.full((300, 500), 90, np.uint8), 'bomb.png')
        save(np.full((300, 500), 90, np.uint8), 'progressive.jpg', progressive=True)
        for name in ('locked.png', 'a.heic', 'x\ny.png'):
            (t / name).write_bytes(b'no image')
        (t / 'round').symlink_to(t)
        os.mkfifo(t / 'pipe.png')
        with (
            mock_patch.object(Image, 'MAX_IMAGE_PIXELS', 10_000),
            mock_patch.object(Image, 'open', _no_entry),
        ):
            with ExceptionExpected(SslNbError, '7 of 13 files'):
                load_data(t)
            d, _ = _loud(t, bad_files='skip')
        same(len(d.train), 6)
        with mock_patch('os.scandir', side_effect=PermissionError(13, 'Permission denied')):
            with ExceptionExpected(SslNbError, 'cannot read .*permission denied'):
                load_data(t)


def test_classes_whose_names_are_alike_or_no_text(digits):
    x = digits.train.x
    with tempfile.TemporaryDirectory() as t:
        t = Path(t)
        for c in ('Cat', 'dog', 'cat'):
            (t / c).mkdir()
            Image.fromarray(x[0, 0].numpy()).save(t / c / '1.png')
        with ExceptionExpected(SslNbError, "the classes 'Cat' and 'cat' in .* differ in case or in how"):
            load_data(t)
        shutil.rmtree(t / 'Cat')
        (t / 'cat').rename(t / os.fsdecode(b'caf\xe9'))
        with ExceptionExpected(SslNbError, 'is no text that can be written'):
            load_data(t)
        (t / os.fsdecode(b'caf\xe9')).rename(t / 'cat')
        d = load_data(t)
        same((len(d.train), d.valid, d.test), (2, None, None))


@pytest.fixture
def kept(digits, monkeypatch, tmp_path):
    "A place with a folder of photos that is worth a cache, and what the cache holds"
    monkeypatch.setattr(data_module, '_worth', (0, 0))
    monkeypatch.setenv('SSL_NB_CACHE', str(tmp_path / 'cache'))
    for c in 'ab':
        (tmp_path / 'photos' / c).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(digits.train.x[i, 0].numpy()).save(tmp_path / 'photos' / c / f'{i}.png')
    home = tmp_path / 'cache' / 'folders'
    return tmp_path, home, lambda: sorted(f.name for f in home.rglob('*') if f.is_file())


def test_the_cache(kept):
    t, home, names = kept
    d, said = _loud(t / 'photos')
    same((said, len(names())), ('', 2))
    first = names()
    # nothing is decoded again
    with mock_patch('ssl_nb.data._decoded', side_effect=AssertionError):
        again = load_data(t / 'photos')
        same(again.sha256, d.sha256)
        same(again.train.x, d.train.x)
        same(again.test.y, d.test.y)
        # and nothing need be in memory
        with mock_patch('ssl_nb.data._memory', return_value=1):
            mapped = load_data(t / 'photos')
            same(mapped.train.x, d.train.x)
            same(mapped.pile[torch.tensor([3, 1])], d.pile[[3, 1]])
    (t / 'photos' / 'a' / 'new.png').write_bytes(b'no image')
    same(names(), first)
    with ExceptionExpected(SslNbError, 'new.png'):
        _loud(t / 'photos')
    _, said = _loud(t / 'photos', bad_files='skip')
    same(said.count('\n'), 1)
    assert 'left out' in said
    assert names() != first
    same(len(names()), 2)
    os.utime(t / 'photos' / 'a' / '1.png', (0, 0))
    c, said = _loud(t / 'photos', bad_files='skip')
    assert 'has changed' in said
    same(c.sha256, d.sha256)
    same(c.left_out, [(str(t / 'photos' / 'a' / 'new.png'), 'no image')])
    for damage in (lambda f: f.write_bytes(f.read_bytes()[:-1]), lambda f: f.unlink()):
        for kind in ('npy', 'json'):
            damage(next(home.rglob(f'*.{kind}')))
            same(_loud(t / 'photos', bad_files='skip')[0].sha256, d.sha256)
            same(len(names()), 2)


def test_leftovers_in_the_cache_and_a_full_disk(kept):
    t, home, _ = kept
    first = _loud(t / 'photos')[0]
    gone = home / f'.{platform.node()}.999999999.tmp-x'
    here = home / f'.{platform.node()}.{os.getpid()}.tmp-x'
    gone.mkdir()
    here.mkdir()
    os.utime(t / 'photos' / 'a' / '1.png', (0, 0))
    same(_loud(t / 'photos')[0].sha256, first.sha256)
    assert here.exists() and not gone.exists()
    with mock_patch('ssl_nb.data.write_text', side_effect=OSError(28, 'No space left on device')):
        e, said = _loud(t / 'photos', 12)
        assert 'no space left' in said
        same(e.train.shape, (1, 12, 12))
    with mock_patch('ssl_nb.data._pixels_of', side_effect=KeyboardInterrupt):
        try:
            load_data(t / 'photos', 14)
        except KeyboardInterrupt:
            pass
    # nothing is left behind
    same([f.name for f in home.iterdir() if f.name.startswith('.')], [here.name])


class _Cifar:
    "What torchvision's CIFAR10 has"

    classes = list('abcdefghij')

    def __init__(self, root, train, download):
        if download:
            (Path(root) / 'cifar-10-batches-py').mkdir(parents=True, exist_ok=True)
        if not (Path(root) / 'cifar-10-batches-py').is_dir():
            raise RuntimeError('Dataset not found or corrupted.')
        n = 100 if train else 20
        self.data, self.targets = np.zeros((n, 32, 32, 3), np.uint8), [i % 10 for i in range(n)]


def jpeg_archive(file):
    "An archive of equal pictures of two classes"
    picture = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(picture, 'jpeg')
    names = [
        f'{p}/{c}/{i:04}.jpg'
        for p, n in (('train', 12), ('test', 2))
        for c in ('cat', 'dog')
        for i in range(n)
    ]
    with tarfile.open(file, 'w:xz') as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(picture.getvalue())
            tar.addfile(info, io.BytesIO(picture.getvalue()))


def test_cifar10_in_two_forms():
    with (
        tempfile.TemporaryDirectory() as t,
        mock_patch.dict(os.environ, SSL_NB_DATA=t, SSL_NB_CACHE=t + '/c'),
        mock_patch('torchvision.datasets.CIFAR10', _Cifar),
    ):
        d = load_data('cifar10')
        same((d.name, d.train.shape, len(d.valid)), ('cifar10', (3, 32, 32), 10))
        # downloaded into the cache
        assert (
            not (Path(t) / 'cifar-10-batches-py').exists()
            and (Path(t) / 'c' / 'cifar-10-batches-py').exists()
        )
        jpeg_archive(t + '/cifar10-jpeg.tar.xz')
        d = load_data('cifar10')
        same(
            (d.name, d.classes, [len(d.train), len(d.valid), len(d.test)]),
            ('CIFAR-10 (JPEG)', ['cat', 'dog'], [22, 2, 4]),
        )
        Path(t, 'cifar10-jpeg.tar.xz').write_bytes(Path(t, 'cifar10-jpeg.tar.xz').read_bytes()[:200])
        with (
            ExceptionExpected(SslNbError, 'damaged archive'),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            load_data('cifar10')
        assert 'has changed since it was read' in said.getvalue() and not list(
            Path(t, 'c', 'folders').glob('.*')
        )
        Path(t, 'cifar10-jpeg.tar.xz').unlink()
        (Path(t) / 'c' / 'cifar-10-batches-py').rmdir()
        with mock_patch.object(_Cifar, '__init__', side_effect=OSError('no network')):
            with ExceptionExpected(SslNbError, 'the cache: no network; the download: no network'):
                load_data('cifar10')


def test_one_line_makes_a_data_set():
    @DATASETS.register('stripes')
    def stripes():
        return np.tile(np.arange(16, dtype=np.uint8) * 15, (40, 16, 1)), [i % 2 for i in range(40)]

    try:
        d = load_data('stripes', image_size=8)
        assert (d.name, d.train.shape, len(d.classes)) == ('stripes', (1, 8, 8), 2)
        assert 'stripes' in all_params(load_data)['data'].choices
        with pytest.raises(SslNbError, match="did you mean 'stripes'"):
            load_data('stripe')
        again = data_of(dict(data='stripes', image_size=8))  # a run made from it finds it again
        assert again.sha256 == d.sha256
    finally:
        del DATASETS['stripes']
    with pytest.raises(SslNbError, match="made from 'stripes', which is not found from here"):
        data_of(dict(data='stripes', image_size=8))


def test_the_choices_are_those_of_the_registry():
    for params in (
        peek('data:load_data'),
        all_params(load_data),
        stage_params('pretrain'),
        stage_params('probe'),
    ):
        assert (
            params['data'].choices
            == ('digits', 'mnist', 'fashion_mnist', 'cifar10', 'hf:NAME')
            == tuple(DATASETS)
        )
        assert params['data'].folder and params['data'].registry is not None


def test_code_of_ones_own_runs_only_when_it_is_named(tmp_path):
    file = tmp_path / 'mine.py'
    ran = tmp_path / 'ran'
    file.write_text(
        f"import torch\nopen({str(ran)!r}, 'a').write('x')\n"
        "def make():\n    return torch.eye(8).repeat(50, 1, 1), [i % 2 for i in range(50)]\n"
        'def needs(n):\n    return n\n'
    )
    name = f'{file}:make'
    run = dict(data=name, image_size=8, n_images=20, images_per_class=None, seed=0)
    with pytest.raises(SslNbError, match='name it again: --data'):
        data_of(run)
    assert not ran.exists()
    whole = load_data(name)
    assert ran.exists() and whole.name == 'mine.py:make'
    part = part_of(whole, 20)
    run |= dict(data_n=len(part.pile), data_sha256=part.sha256)
    assert data_of(run, name).sha256 == part.sha256
    with pytest.raises(SslNbError, match='called without arguments, but needs n'):
        load_data(f'{file}:needs')
    with pytest.raises(SslNbError, match='there is no file'):
        load_data(f'{tmp_path}/gone.py:make')
