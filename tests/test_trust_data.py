"""No wrong image or label without a word: arrays, lists and labels of every kind, label tables, odd files, copies,
the cache."""

import collections
import contextlib
import gzip
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

import ssl_nb.data as data_module
from ssl_nb.core import SslNbError
from ssl_nb.data import (
    ImageData,
    Images,
    drop_copies,
    labels_of,
    load_data,
    read_files,
    read_idx,
    show_images,
    to_images,
)
from ssl_nb.folders import inspect_data

X = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
Y = np.arange(40) % 2
PICTURES = [Image.fromarray(x) for x in X]


def loud(*args, read=load_data, **kw):
    "What is read, and what is said about it"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        found = read(*args, **kw)
    return found, said.getvalue()


def refused(why, *args, read=load_data, **kw):
    "The one line in which something is refused"
    with pytest.raises(SslNbError, match=why) as error:
        read(*args, **kw)
    assert '\n' not in str(error.value)
    return str(error.value)


def fill(folder, n=12, classes='ab'):
    "Images that differ, class by class"
    for k, c in enumerate(classes):
        (folder / c).mkdir(parents=True)
        for i in range(n):
            PICTURES[n * k + i].save(folder / c / f'{i}.png')
    return folder


def flat(folder, n=12):
    "Images side by side; their names and classes"
    folder.mkdir(parents=True)
    rows = []
    for i in range(2 * n):
        rows.append((f'{"ab"[i // n]}{i % n}.png', ('cat', 'dog')[i // n]))
        PICTURES[i].save(folder / rows[-1][0])
    return rows


def table(rows, apart=','):
    return f'file{apart}label\n' + ''.join(f'{f}{apart}{label}\n' for f, label in rows)


# --- arrays


@pytest.mark.parametrize('kind', ['uint32', 'int64', '>i4', 'uint16', '>u2', 'uint64'])
def test_whole_numbers_of_any_type_are_bytes(kind):
    assert (to_images(X.astype(kind)).x[:, 0] == torch.from_numpy(X)).all()


@pytest.mark.parametrize('kind', ['float16', 'float64', '>f4', '>f8', 'longdouble'])
def test_floats_of_any_type(kind):
    assert (to_images((X / 255).astype(kind)).x[:, 0].int() - torch.from_numpy(X).int()).abs().max() <= 1


def test_sixteen_bits_are_scaled_as_in_files(tmp_path):
    deep = X.astype(np.uint16) * 257
    assert (to_images(deep).x[:, 0] == torch.from_numpy(X)).all()
    assert (to_images(torch.from_numpy(deep)).x == to_images(deep).x).all()
    Image.fromarray(deep[0]).save(tmp_path / 'a.png')
    assert (read_files(tmp_path, 16)[0][0, 0] == torch.from_numpy(X[0])).all()


def test_black_and_white():
    assert sorted(to_images(X > 128).x.unique().tolist()) == [0, 255]
    assert 'no pixel is above 1 of 255' in loud((X > 128).astype(int))[1]
    assert 'all of one shade' in loud(np.full((9, 8, 8), 200, np.uint8))[1]
    assert loud(X)[1] == ''


@pytest.mark.parametrize(
    'images, why',
    [
        (X.astype(complex), 'complex numbers'),
        (torch.from_numpy(X.astype(complex)), 'complex numbers'),
        (np.array(['a', 'b']), 'text'),
        (np.array([[None, 1]] * 4, dtype=object)[:, None], 'objects'),
        (np.zeros((32, 32, 3), np.uint8), 'one picture'),
        (np.zeros((5, 13, 20, 13), np.uint8), 'first or last'),
        ([np.zeros((4, 4)), np.zeros((4, 5))], 'differ in shape'),
        (dict(train=X), 'of a dict'),
        ((x for x in X), 'of a generator'),
        ([dict(picture=PICTURES[0])], "called 'image'"),
        ([], 'empty'),
        ((X, X), 'labels of shape'),
        ([np.zeros((9, 8, 8, 3))] * 2, 'one label per image'),
        (['nowhere/a.png', 'nowhere/b.png'], 'no such file'),
    ],
)
def test_what_would_have_to_be_guessed(images, why):
    refused(why, images)


@pytest.mark.parametrize(
    'shape, read_as',
    [
        ((9, 32, 32, 13), (13, 32, 32)),
        ((9, 13, 32, 32), (13, 32, 32)),
        ((9, 32, 13, 13), (32, 13, 13)),
        ((9, 20, 30, 7), (7, 20, 20)),
        ((9, 7, 20, 30), (7, 20, 20)),
        ((9, 20, 30, 3), (3, 20, 20)),
        ((9, 3, 20, 30), (3, 20, 20)),
        ((9, 30, 20), (1, 20, 20)),
    ],
)
def test_where_the_channels_are(shape, read_as):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data, said = loud(images)
    assert data.train.shape == read_as
    assert ('the square in the middle' in said) == (20 in shape)


def test_two_images_in_a_list():
    assert (
        len(load_data([X[0], X[1]]).train)
        == len(load_data([np.zeros((8, 8, 3)), np.ones((8, 8, 3))]).train)
        == 2
    )


def test_the_middle_of_oblong_images():
    wide = np.zeros((5, 8, 16), np.uint8)
    wide[:, :, 4:12] = 200
    assert (loud(wide)[0].train.x == 200).all()
    assert (loud(wide, 4)[0].train.x == 200).all()


# --- lists


def test_one_pile_in_many_forms(tmp_path):
    names = [str(tmp_path / f'{i}.png') for i in range(40)]
    for image, name in zip(PICTURES, names):
        image.save(name)
    contents = [Path(name).read_bytes() for name in names]
    hugging = collections.namedtuple('Features', 'names')(['even', 'odd'])
    items = type('Items', (list,), dict(features=dict(label=hugging)))
    forms = dict(
        arrays=(X, Y),
        lists=(list(X), Y.tolist()),
        pairs=list(zip(X, Y)),
        tensors=[(torch.from_numpy(x), torch.tensor(y)) for x, y in zip(X, Y.tolist())],
        pictures=(PICTURES, Y),
        picture_pairs=list(zip(PICTURES, Y)),
        paths=(names, Y),
        path_pairs=list(zip(map(Path, names), Y)),
        hugging=items(dict(image=x, label=int(y)) for x, y in zip(PICTURES, Y)),
        undecoded=[dict(image=dict(bytes=b, path=None), label=int(y)) for b, y in zip(contents, Y)],
    )
    found = {form: load_data(data) for form, data in forms.items()}
    assert {form for form, data in found.items() if data.sha256 != found['arrays'].sha256} == set()
    assert found['hugging'].classes == ['even', 'odd'] and found['paths'].classes == ['0', '1']
    assert load_data(names).train.y is None and len(load_data(names).train) == 40


def test_a_list_with_a_broken_file(tmp_path):
    for i in range(20):
        PICTURES[i].save(tmp_path / f'{i}.png')
    (tmp_path / '3.png').write_bytes(b'no image')
    names = [tmp_path / f'{i}.png' for i in range(20)]
    labels = ['ab'[i % 2] for i in range(20)]
    refused(r'1 of 20 files in the list cannot be used: 3.png \(no image\)', (names, labels))
    data, said = loud((names, labels), bad_files='skip')
    assert sum(map(len, data.parts.values())) == 19 and 'left out' in said
    whole = load_data(([n for n in names if n.name != '3.png'], [c for i, c in enumerate(labels) if i != 3]))
    assert data.sha256 == whole.sha256


@pytest.mark.parametrize('mode', ['1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK', 'YCbCr', 'I', 'I;16', 'F'])
def test_pictures_of_every_mode_are_read_as_their_files(mode, tmp_path):
    deep = mode in ('I', 'I;16', 'F')
    wide = X.astype(dict(I=np.int32, F=np.float32).get(mode, np.uint16)) * (257 if deep else 1)
    pictures = [Image.fromarray(x) for x in (wide if deep else X)]
    if not deep:
        pictures = [p.convert('RGB').convert(mode) for p in pictures]
    data, said = loud(pictures)
    kind = 'tif' if mode in ('CMYK', 'YCbCr', 'I', 'F') else 'png'
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f'{i:02}.{kind}')
    files = read_files(tmp_path, 16, data.train.shape[0])[0]
    assert said == '' and (data.train.x.int() - files.int()).abs().max() <= 1
    assert data.train.x.float().std() > 50 and (to_images(pictures).x == data.train.x).all()


# --- labels


def test_labels_of_every_kind():
    of = lambda labels: load_data((X, labels))
    plain = of(Y)
    for labels in (Y.astype(bool), Y.astype(np.uint8), Y.astype(float), Y.tolist(), torch.from_numpy(Y)):
        assert of(labels).sha256 == plain.sha256 and of(labels).classes == ['0', '1']
    for labels, classes in (
        (np.where(Y, 7, 3), ['3', '7']),
        (np.where(Y, 10**9, 3), ['3', '1000000000']),
        (['dog' if y else 'cat' for y in Y], ['cat', 'dog']),
        (np.array(['10' if y else '9' for y in Y]), ['9', '10']),
    ):
        assert (of(labels).classes, of(labels).sha256) == (classes, plain.sha256)


@pytest.mark.parametrize('missing', [None, -1, float('nan'), ''])
def test_a_label_that_is_missing(missing):
    labels = [missing if i < 10 else ('ab'[i % 2] if missing == '' else int(i % 2)) for i in range(40)]
    data, said = loud((X, labels))
    assert '10 of 40 labels are missing; these images are taken as unlabelled' in said
    assert (data.rest.x[:, 0] == torch.from_numpy(X[:10])).all() and len(data.classes) == 2
    refused('10 of 40 labels are missing', X, labels, read=to_images)
    assert load_data((X, [missing] * 40)).train.y is None


@pytest.mark.parametrize(
    'labels, why',
    [
        (Y + 0.5, 'whole numbers'),
        ([0, 'a'] * 20, 'all of them text'),
        (np.eye(2)[Y], 'one label per image'),
        (Y[:5], 'one label per image'),
        ([dict(boxes=1)] * 40, 'whole numbers'),
    ],
)
def test_labels_that_are_none(labels, why):
    refused(why, (X, labels))


def test_numbers_keep_their_meaning_across_parts():
    assert to_images(X[:2], [0, 3]).classes == ['0', '1', '2', '3']
    refused('label 1000000000', X[:2], [0, 10**9], read=to_images)
    refused("unknown class 'c'", X[:2], ['b', 'c'], ['a', 'b'], read=to_images)


# --- label tables


WAYS = dict(
    plain=lambda name, home: name,
    dotted=lambda name, home: f'./{name}',
    absolute=lambda name, home: str((home / name).absolute()),
    around=lambda name, home: f'x/../{name}',
)


@pytest.mark.parametrize('way', WAYS)
def test_names_in_a_table_mean_their_files(way, tmp_path):
    rows = flat(tmp_path / 'f')
    (tmp_path / 'f' / 'x').mkdir()
    (tmp_path / 'f' / 'labels.csv').write_text(table(rows))
    right = load_data(tmp_path / 'f').sha256
    named = [(WAYS[way](f, tmp_path / 'f'), label) for f, label in rows]
    (tmp_path / 'f' / 'labels.csv').write_text(table(named))
    for source in (tmp_path / 'f', tmp_path / 'f' / 'labels.csv'):
        data, said = loud(source)
        assert (data.sha256, said) == (right, '')


def test_backslashes_in_a_table(tmp_path):
    fill(tmp_path / 'f')
    rows = [(rf'{c}\{i}.png', c) for c in 'ab' for i in range(12)]
    (tmp_path / 'f' / 'labels.csv').write_text(table(rows))
    assert load_data(tmp_path / 'f').classes == ['a', 'b']


@pytest.mark.parametrize('name', ['Labels.csv', 'labels.CSV', 'LABELS.CSV'])
def test_a_table_is_found_however_it_is_written(name, tmp_path):
    (tmp_path / 'f').mkdir()
    (tmp_path / 'f' / name).write_text(
        table(flat(tmp_path / 'f' / 'x')).replace('\n', '\nx/').removesuffix('x/')
    )
    assert load_data(tmp_path / 'f').classes == ['cat', 'dog']
    assert 'labels of a sub-folder' not in str(inspect_data(tmp_path / 'f'))


def test_a_table_that_lies_deeper_is_told(tmp_path):
    rows = flat(tmp_path / 'f' / 'images')
    (tmp_path / 'f' / 'images' / 'labels.csv').write_text(table(rows))
    refused('labels of a sub-folder: name this file as the data, or move it up', tmp_path / 'f')
    assert 'labels of a sub-folder' in str(inspect_data(tmp_path / 'f'))
    assert load_data(tmp_path / 'f' / 'images').classes == ['cat', 'dog']
    (tmp_path / 'f' / 'images' / 'Labels.csv').write_text(table(rows))
    refused('leave one of them', tmp_path / 'f' / 'images')


def test_names_that_match_nothing_are_told_with_the_nearest(tmp_path):
    rows = flat(tmp_path / 'f')
    write = lambda rows: (tmp_path / 'f' / 'labels.csv').write_text(table(rows))
    write([(f[:-4], label) for f, label in rows])
    refused("none of the 24 names in .* such as 'a0'; did you mean 'a0.png'", tmp_path / 'f')
    write([(f.replace('.png', '.PNG'), label) for f, label in rows])
    refused("such as 'a0.PNG'; did you mean 'a0.png'", tmp_path / 'f')
    write([('a_0.png', 'cat'), *rows[1:]])
    refused("not there, as 1 of 24 names in labels.csv; did you mean 'a0.png'", tmp_path / 'f')


CONTENTS = dict(
    utf16=lambda rows: table(rows).encode('utf-16'),
    marked=lambda rows: table(rows).encode('utf-8-sig'),
    semicolons=lambda rows: ('sep=;\n' + table(rows, ';')).encode(),
    commas=lambda rows: (table(rows) + ',\n,\n\n').encode(),
    windows=lambda rows: table(rows).replace('\n', '\r\n').encode(),
    old_mac=lambda rows: table(rows).replace('\n', '\r').encode(),
)


@pytest.mark.parametrize('content', CONTENTS)
def test_tables_that_programs_write(content, tmp_path):
    rows = flat(tmp_path / 'f')
    (tmp_path / 'f' / 'labels.csv').write_bytes(CONTENTS[content](rows))
    data = load_data(tmp_path / 'f')
    assert (data.classes, sum(map(len, data.parts.values()))) == (['cat', 'dog'], 24)


def test_numbers_in_a_table(tmp_path):
    rows = flat(tmp_path / 'f')
    points = [(f, ('1.0' if i % 5 else '1') if label == 'cat' else '2') for i, (f, label) in enumerate(rows)]
    (tmp_path / 'f' / 'labels.csv').write_text(table(points))
    assert load_data(tmp_path / 'f').classes == ['1', '2']
    (tmp_path / 'f' / 'labels.csv').write_text(
        table([(f, '1.0' if i else 'b') for i, (f, _) in enumerate(rows)])
    )
    assert load_data(tmp_path / 'f').classes == ['1.0', 'b']


def test_an_empty_label_is_none(tmp_path):
    rows = flat(tmp_path / 'f')
    (tmp_path / 'f' / 'labels.csv').write_text(
        table([(f, '' if i % 3 else c) for i, (f, c) in enumerate(rows)])
    )
    data = load_data(tmp_path / 'f')
    assert (len(data.rest), len(data.pile), data.classes) == (16, 22, ['cat', 'dog'])
    (tmp_path / 'f' / 'labels.csv').write_text(table([(f, '') for f, _ in rows]))
    assert load_data(tmp_path / 'f').train.y is None


@pytest.mark.parametrize(
    'content, why',
    [
        ('file,label\nKäfer.png,a\n'.encode('cp1252'), 'save it as UTF-8'),
        (b'file,label\na0.png,cat,dog\n', '3 columns where the first line has 2'),
        (b'file,label\n"a0.png,cat\na1.png,cat\n', 'cannot read'),
        (b'file,label\n,cat\n', 'line 2: there should be a file'),
        (b'sep=;\nfile;label\n;cat\n', 'line 3: there should be a file'),
        (b'file,label\na\0.png,cat\n', 'NUL'),
        (b'file,label,split\na0.png,cat,"x\ny"\n', r'split = x\\ny; it should be'),
        (b'file,label,split\na0.png,,test\n', 'needs a label'),
        (b'', 'it begins with'),
        (b'\xff\xfe\x00', 'no text'),
        (b'file,label\na0.png,cat\n./a0.png,dog\n', 'appears twice'),
    ],
)
def test_tables_that_are_refused(content, why, tmp_path):
    flat(tmp_path / 'f')
    (tmp_path / 'f' / 'labels.csv').write_bytes(content)
    refused(why, tmp_path / 'f')


def test_files_and_classes_of_a_folder_and_of_its_table(tmp_path):
    rows = flat(tmp_path / 'f')
    assert labels_of(tmp_path / 'f') == {}
    (tmp_path / 'f' / 'labels.csv').write_text(table(rows))
    for source in (tmp_path / 'f', tmp_path / 'f' / 'labels.csv'):
        files = read_files(source, 16)[1]
        assert [(f.name, labels_of(source)[f]) for f in files] == sorted(
            rows, key=lambda r: (r[1], int(r[0][1:-4]))
        )


# --- names


def test_the_order_of_classes_is_always_the_same():
    names = ['1', '01', '001', '2', '10', '9' * 5000, 'a1', 'a01', '\u00b2', '\u0663', '\u2460']
    rng = np.random.default_rng(0)
    # a set gives them in an order that hangs on the process
    orders = [[names[i] for i in rng.permutation(len(names))] for _ in range(20)]
    assert [sorted(some, key=data_module._natural) for some in orders] == [names] * 20
    assert data_module._classes_of(orders[0], 'x') == names


def test_what_systems_put_into_folders_does_not_count(tmp_path):
    right = load_data(fill(tmp_path / 'f')).sha256
    for name in (
        'Thumbs.db',
        'ehthumbs.db',
        'Icon\r',
        'Picasa.ini',
        'desktop.ini',
        '0.png:Zone.Identifier',
        '._0.png',
    ):
        (tmp_path / 'f' / 'a' / name).write_bytes(b'x')
    for name in ('@eaDir', '__MACOSX', '$RECYCLE.BIN', '#recycle', 'System Volume Information', 'lost+found'):
        (tmp_path / 'f' / name).mkdir()
        PICTURES[0].save(tmp_path / 'f' / name / '1.png')
    assert load_data(tmp_path / 'f').sha256 == right and inspect_data(tmp_path / 'f').broken == []


def test_a_path_that_no_record_could_name(tmp_path):
    from ssl_nb.settings import resolve

    for given in (dict(data='t\udcff'), dict(data='digits', out=Path('t\udcff'))):
        refused('is no text in UTF-8', 'pretrain', read=resolve, **given)


def test_class_names_that_mean_something_elsewhere():
    from ssl_nb.classifier import class_scores

    names = ['accuracy', 'macro avg', '$a_b_c$']
    scores = class_scores(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2]), names)
    assert [scores['per_class'][c]['support'] for c in names] == [2, 1, 1] and scores['accuracy'] == 0.75


def test_a_class_name_with_dollars_can_be_drawn(tmp_path):
    import matplotlib.pyplot as plt

    from ssl_nb.core import figure_style, save_figure

    with plt.rc_context():
        figure_style()
        fig, ax = plt.subplots(figsize=(2, 1))
        ax.set_title('$a_b_c$')
        save_figure(fig, tmp_path / 'f.png')
    show_images(to_images(X[:2]).x, ['$a_b_c$', '$'])
    report = inspect_data(fill(tmp_path / 'f', classes=['$a_b_c$', 'b$$']))
    for i, fig in enumerate((plt.gcf(), report.plot())):
        fig.savefig(tmp_path / f'{i}.png')
        plt.close(fig)
    assert all(f.stat().st_size for f in tmp_path.glob('*.png'))


def test_names_and_classes_in_a_table_of_representations(tmp_path):
    from ssl_nb.encoders import make_encoder, save_encoder
    from ssl_nb.exporting import embed

    save_encoder(make_encoder('small_cnn', 1, 16), tmp_path / 'model.safetensors')
    fill(tmp_path / 'f')
    names, labels, h = embed(tmp_path / 'model.safetensors', tmp_path / 'f')
    assert names[:2].tolist() == ['a/0.png', 'a/1.png'] and labels.tolist() == ['a'] * 12 + ['b'] * 12
    rows = flat(tmp_path / 'g')
    (tmp_path / 'g' / 'mine.csv').write_text(table(rows[:5]))
    names, labels, _ = embed(tmp_path / 'model.safetensors', tmp_path / 'g' / 'mine.csv')
    assert list(zip(names, labels)) == rows[:5] and len(h) == 24


# --- files


def test_sound_pictures_with_odd_notes_are_read(tmp_path):
    im = PICTURES[0].resize((48, 48))
    notes = PngImagePlugin.PngInfo()
    notes.add_text('workflow', 'x' * 2_000_000, zip=True)
    im.save(tmp_path / 'text.png', pnginfo=notes)
    im.save(tmp_path / 'icc.png', icc_profile=b'\0' * 2_000_000)
    im.save(tmp_path / 'exif.png', exif=b'\0')
    im.save(tmp_path / 'exif.webp', exif=b'Exif\0\0not-a-tiff', lossless=True)
    good = (tmp_path / 'icc.png').read_bytes()
    spoilt = good.replace(zlib.crc32(b'iCCP').to_bytes(4), b'')  # unchanged: it has none
    (tmp_path / 'note.png').write_bytes(spoilt[:60] + bytes([spoilt[60] ^ 1]) + spoilt[61:])
    x, files, bad = read_files(tmp_path, 48)
    assert (len(x), bad) == (5, [])
    assert all((i[0].numpy() == np.asarray(im)).all() for i in x)
    assert inspect_data(tmp_path).broken == []


def test_a_picture_that_is_cut_off_is_still_damaged(tmp_path):
    Image.fromarray(X.reshape(160, 64)).save(tmp_path / 'a.png')
    PICTURES[0].save(tmp_path / 'b.png')
    (tmp_path / 'a.png').write_bytes((tmp_path / 'a.png').read_bytes()[:4000])
    refused(r'a.png \(damaged\)', tmp_path)


def test_no_program_is_started_for_a_picture(tmp_path, monkeypatch):
    fill(tmp_path / 'f')
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin' / 'gs').write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\nexit 1\n')
    (tmp_path / 'bin' / 'gs').chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}/bin:{os.environ["PATH"]}')
    eps = '%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n'
    for name in ('cat.png', 'dog.eps'):
        (tmp_path / 'f' / 'a' / name).write_text(eps)
    said = refused('2 of 26 files', tmp_path / 'f')
    assert 'cat.png (no image)' in said and 'dog.eps (EPS cannot be read, convert it)' in said
    assert len(inspect_data(tmp_path / 'f').broken) == 2 and not (tmp_path / 'log').exists()


def test_files_with_several_pictures_are_told(tmp_path):
    fill(tmp_path / 'f')
    for i, kind in enumerate(('gif', 'webp', 'tif', 'png')):
        first = PICTURES[30 + i].copy()
        more = [p.copy() for p in PICTURES[35:]]
        first.save(tmp_path / 'f' / 'a' / f'film.{kind}', save_all=True, append_images=more)
    assert '4 files hold several pictures' in loud(tmp_path / 'f')[1]
    assert '4 files hold several pictures, of which the first is read' in str(inspect_data(tmp_path / 'f'))
    assert 'several' not in loud(fill(tmp_path / 'plain'))[1]


def test_a_huge_picture_is_reduced_strip_by_strip(monkeypatch):
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.linspace(0, 100, 333), np.linspace(0, 150, 271)).astype(np.uint8)
    colour = np.stack([smooth, smooth[::-1], 250 - smooth, rng.integers(0, 256, smooth.shape)], -1).astype(
        np.uint8
    )
    pictures = [
        Image.fromarray(smooth),
        Image.fromarray(smooth.astype(np.uint16) * 257),
        Image.fromarray(colour),
        Image.fromarray(smooth).convert('P'),
    ]
    turned = Image.fromarray(smooth)
    turned.getexif()[0x0112] = 6
    read = lambda im: data_module._pixels_of(im, 16, 'RGB').astype(int)
    whole = [read(im) for im in [*pictures, turned]]
    monkeypatch.setattr(data_module, '_huge', 1000)
    for im, before in zip([*pictures, turned], whole):
        assert np.abs(read(im) - before).max() <= 3


BOMB = """
import resource, struct, sys, zlib
from ssl_nb.data import load_data
w = h = 8000
c = zlib.compressobj(1)
z = b''.join(c.compress(b'\\0' * (1 + 2 * w)) for _ in range(h)) + c.flush()
k = lambda t, d: struct.pack('>I', len(d)) + t + d + struct.pack('>I', zlib.crc32(t + d))
head = k(b'IHDR', struct.pack('>IIBBBBB', w, h, 16, 0, 0, 0, 0))
open('0.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + head + k(b'IDAT', z) + k(b'IEND', b''))
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
load_data('.', 16)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024)
"""


def test_a_large_picture_of_16_bits_fills_no_memory(tmp_path):
    done = subprocess.run([sys.executable, '-c', BOMB], cwd=tmp_path, capture_output=True, text=True)
    assert int(done.stdout) < 300, done.stdout + done.stderr  # its pixels alone are 128 MB


# --- IDX files


def test_an_idx_file_that_promises_or_unpacks_to_more(tmp_path):
    head = lambda *shape: b'\0\0\x08' + bytes([len(shape)]) + struct.pack(f'>{len(shape)}I', *shape)
    file = tmp_path / 'f'
    file.write_bytes(head(2**31, 2**31, 2, 2) + b'x')
    refused('should hold 18,446,744,073,709,551,616 bytes .* but holds 1$', file, read=read_idx)
    file.write_bytes(gzip.compress(head(2, 3) + b'\0' * 10_000_000))
    refused('should hold 6 bytes .* but holds more', file, read=read_idx)
    file.write_bytes(gzip.compress(head(2, 3) + bytes(range(6))))
    assert read_idx(file).tolist() == [[0, 1, 2], [3, 4, 5]]


# --- copies


def with_copies():
    "Six images to learn from, and four others, of which some are equal"
    x = torch.from_numpy(X[:, None])
    y = torch.arange(6) % 2
    train = Images(x[[0, 1, 2, 2, 3, 4]], y, ['a', 'b'])
    return ImageData('copies', train, test=Images(x[[3, 5]], y[:2], ['a', 'b']), rest=Images(x[[0, 6]]))


def test_test_images_with_twins_are_counted_and_dropped():
    data = with_copies()
    assert (data.twins, load_data(data).twins) == (1, 1)
    less, said = loud(data, copies='drop')
    assert [len(p) for p in less.parts.values()] == [4, 2, 1] and less.twins == 0
    assert '3 images of copies left out' in said
    assert (less.test.x == data.test.x).all() and (less.train.x == data.train.x[[0, 1, 2, 5]]).all()
    assert drop_copies(less) is less
    refused("unknown way with copies 'x'", data, copies='x')


def test_parts_with_other_classes_are_refused():
    train, test = to_images(X[:4], ['a', 'b'] * 2), to_images(X[:2], ['b', 'b'])
    refused('the classes of test are not those of train', 'mine', train, test=test, read=ImageData)


def test_a_run_remembers_what_it_does_about_copies(tmp_path):
    from ssl_nb.cli import main
    from ssl_nb.stages import load_run

    fill(tmp_path / 'f', 15)
    for i in range(5):
        PICTURES[0].save(tmp_path / 'f' / 'b' / f'again {i}.png')
    how = '--epochs 1 --batch-size 8 --quiet --image-size 16'.split()
    with contextlib.redirect_stdout(io.StringIO()):
        for name, flags in dict(kept=[], dropped=['--copies', 'drop']).items():
            out = str(tmp_path / name)
            assert main(['pretrain', '--data', str(tmp_path / 'f'), *how, *flags, '--out', out]) == 0
    sizes = {
        name: sum(map(len, loud(load_run(tmp_path / name), read=lambda r: r.data())[0].parts.values()))
        for name in ('kept', 'dropped')
    }
    assert sizes == dict(kept=35, dropped=30)


def test_the_line_under_a_table():
    from ssl_nb.reporting import twins_line

    assert twins_line(dict(n_test=9)) == twins_line(dict(n_test=9, n_twins=0)) == ''
    assert twins_line(dict(n_test=9, n_twins=2)).startswith(
        '2 of 9 test images are also in the training part'
    )


def test_the_largest_group_of_copies_comes_first(tmp_path):
    fill(tmp_path / 'f')
    for i in range(7):
        Image.new('L', (16, 16), 255).save(tmp_path / 'f' / 'a' / f'blank {i}.png')
    PICTURES[0].save(tmp_path / 'f' / 'b' / 'again.png')
    same = str(inspect_data(tmp_path / 'f')).partition('the same  ')[2].splitlines()
    assert same[0].startswith('7 identical blank images: a/blank 0.png = ') and 'again.png' in same[1]


# --- the cache


@pytest.fixture
def kept(monkeypatch, tmp_path):
    "A folder that is kept decoded, and where"
    monkeypatch.setattr(data_module, '_worth', (0, 0))
    monkeypatch.setenv('SSL_NB_CACHE', str(tmp_path / 'cache'))
    folder = fill(tmp_path / 'f')
    load_data(folder)
    return folder, lambda kind: next((tmp_path / 'cache' / 'folders').rglob(f'*.{kind}'))


def change(**what):
    "What changes something that is known of decoded images"
    return lambda known: known | {k: f(known[k]) for k, f in what.items()}


@pytest.mark.parametrize(
    'damage',
    [
        change(y=lambda y: y[:-1]),
        change(y=lambda y: [1 - c for c in y]),
        change(classes=lambda c: c[::-1]),
        change(files=lambda f: f[::-1]),
        change(sizes=lambda s: dict(reversed(s.items()))),
        lambda known: known | dict(y=None),
        lambda known: [],
    ],
)
def test_changed_notes_in_the_cache_are_noticed(damage, kept):
    folder, file = kept
    right = load_data(folder)
    file('json').write_text(json.dumps(damage(json.loads(file('json').read_text()))))
    again, said = loud(folder)
    assert (again.sha256, again.classes) == (right.sha256, right.classes) and 'damaged' in said
    assert loud(folder)[1] == ''


def test_a_flipped_byte_in_the_cache_is_noticed(kept):
    folder, file = kept
    right = load_data(folder)
    pixels = bytearray(file('npy').read_bytes())
    pixels[1000] ^= 255
    file('npy').write_bytes(pixels)
    again, said = loud(folder)
    assert (again.train.x == right.train.x).all() and 'damaged' in said


def test_every_stage_that_loads_images_takes_both_settings():
    from ssl_nb.settings import stage_params

    for stage in ('pretrain', 'deepcluster'):
        assert {'bad_files', 'copies'} <= stage_params(stage).keys()
