"labels.csv against the images of a run: names, slips, other folders, who disagrees, and the stages that take one."

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import ssl_nb
from conftest import command
from ssl_nb.core import SslNbError
from ssl_nb.data import ImageData, Images, drop_copies, image_names, load_data, part_of
from ssl_nb.exporting import embed
from ssl_nb.label_files import label_rows, match_labels, merge_labels, scored_by, with_labels, write_labels

X = np.random.default_rng(0).integers(0, 256, (40, 16, 16), dtype=np.uint8)
ODD_NAMES = ['a b.png', 'été.png', '写真 1.png', '-1.png', '=2.png', 'with "quotes", and commas.png', 'ق.png']


def fill(folder, names):
    "Images of these names"
    for name, x in zip(names, X):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x).save(folder / name)
    return folder


def loud(read, *args, **kw):
    "What is read, and what is said about it"
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        found = read(*args, **kw)
    return found, said.getvalue()


def named(d, part='train'):
    "{name: class} of a part"
    p = getattr(d, part)
    return dict(zip(p.names, (d.classes[c] for c in p.y)))


@pytest.fixture
def pile(tmp_path):
    "A folder of 40 images without labels"
    return fill(tmp_path / 'pile', [*ODD_NAMES, *(f's{i}.png' for i in range(33))])


# --- names


def test_images_are_called_as_embed_writes_them(pile, trained, tmp_path):
    names, _, h = embed(trained / 'whole', pile)
    d = load_data(pile)
    mine = np.concatenate([*image_names(d).values()])
    assert sorted(mine) == sorted(names) and len(h) == len(names)
    names, labels, _ = embed(trained / 'whole', 'digits')
    d = load_data('digits')
    assert np.concatenate([*image_names(d).values()]).tolist() == names.tolist()
    assert labels[0] == d.classes[d.train.y[0]]


def test_a_part_keeps_the_names_of_the_whole(pile):
    whole = load_data('digits')
    part = part_of(whole, n_images=9, seed=3)
    for name, x in zip(part.train.names, part.train.x):
        assert torch.equal(x, whole.train.x[int(name.partition('/')[2])])
    few = part_of(load_data(pile), n_images=4)
    for name, x in zip(image_names(few)['train'], few.train.x):
        assert np.array_equal(np.asarray(Image.open(pile / name)), x[0])
    twice = ImageData('twice', Images(torch.cat([whole.train.x[:3], whole.train.x[:5]])))
    assert image_names(drop_copies(twice))['train'].tolist() == [f'train/{i}' for i in (0, 1, 2, 6, 7)]


@pytest.mark.parametrize('spelling', [str, lambda n: f'./{n}', lambda n: n.replace('/', '\\')])
def test_names_of_any_script_and_spelling(tmp_path, spelling):
    d = load_data(fill(tmp_path / 'pile' / 'unlabelled', ODD_NAMES).parent)
    said = {n: 'x' if i % 2 else 'y' for i, n in enumerate(d.train.names)}
    got = with_labels(d, {spelling(n): c for n, c in said.items()})
    assert named(got) | named(got, 'test') == said and '/' in min(said)


def test_names_in_full_and_with_parted_accents(pile):
    d = load_data(pile)
    said = {str(pile / 's1.png'): 'x', 'e\u0301te\u0301.png': 'y', 's2.png': 'x'}
    got = with_labels(d, said, pile)
    assert {*named(got), *named(got, 'test')} == {'s1.png', 'été.png', 's2.png'}


def test_a_file_is_read_as_it_was_written(pile, tmp_path):
    labels = dict(zip(ODD_NAMES, ['=SUM(A1)', '-', "'quoted", '<b>x</b>', 'été', None, '12']))
    back = label_rows(write_labels(labels, tmp_path / 'labels.csv'))
    assert [c for c, _ in back.values()] == [*labels.values()]
    found, lost = match_labels(back, ODD_NAMES)
    assert not lost and {ODD_NAMES[i]: c for i, (c, _) in found.items()} == labels


def test_names_as_predict_writes_them(pile, monkeypatch):
    monkeypatch.chdir(pile.parent)
    d = with_labels(load_data('pile'), {'pile/s1.png': 'x', 'pile/s2.png': 'y'}, 'pile')
    assert {*d.train.names} == {'s1.png', 's2.png'}


# --- slips


def test_labels_of_another_folder_are_refused(pile):
    with pytest.raises(
        SslNbError, match=r"none of the 2 names in the labels is an image of pile, such as 'x.jpg'"
    ):
        with_labels(load_data(pile), {'x.jpg': 'a', 'y.jpg': 'b'})
    with pytest.raises(SslNbError, match="did you mean 's3.png'"):
        with_labels(load_data(pile), {'S3.PNG': 'a'})


def test_names_that_are_no_image_are_told(pile):
    said = {'a b.png': 'x', '写真 1.png': 'y', 'file-that-is-gone.jpeg': 'x', '=2.PNG': ''}
    got, line = loud(with_labels, load_data(pile), said)
    assert (
        line == "the labels: 2 of 4 names are images of pile, but not 'file-that-is-gone.jpeg' and 1 other\n"
    )
    assert len(got.train) == 2 and len(got.rest) == 38
    assert "did you mean '=2.png'" in loud(with_labels, load_data(pile), {'a b.png': 'x', '=2.PNG': 'y'})[1]


def test_two_labels_for_one_file(pile, tmp_path):
    table = tmp_path / 'labels.csv'
    table.write_text('file,label\na b.png,x\n./a b.png,y\n')
    with pytest.raises(SslNbError, match='labels.csv: a b.png appears twice, with different labels'):
        with_labels(load_data(pile), table)
    table.write_text('file,label\na b.png,x\na b.png,y\n')
    with pytest.raises(SslNbError, match='line 3: a b.png appears twice'):
        with_labels(load_data(pile), table)


@pytest.mark.parametrize(
    'labels, why',
    [
        ({'a b.png': ''}, 'gives no image of pile a label'),
        ({}, 'gives no image of pile a label'),
        (['a'], 'should be a file with the columns file,label, or a dictionary, not a list'),
        ({'a b.png': 'Shoe', '-1.png': 'shoe'}, 'differ in case'),
        ('none.csv', 'none.csv'),
    ],
)
def test_what_is_no_labels(pile, labels, why):
    with pytest.raises(SslNbError, match=why) as error:
        with_labels(load_data(pile), labels)
    assert '\n' not in str(error.value)


# --- what is labelled from then on


def test_a_file_that_names_nothing_yet(tmp_path):
    (tmp_path / 'labels.csv').write_text('file,label\n')
    with pytest.raises(SslNbError, match='names no image yet'):
        label_rows(tmp_path / 'labels.csv')


def test_an_empty_label_is_none(pile):
    said = {f's{i}.png': 'ab'[i % 2] for i in range(20)} | {'s20.png': '', 's21.png': None}
    d = with_labels(load_data(pile), said)
    assert not {'s20.png', 's21.png'} - {*d.rest.names}
    assert len(d.train) + len(d.test) == 20 and len(d.test) == 4
    assert {*named(d), *named(d, 'test')} == {n for n, c in said.items() if c}


def test_every_image_keeps_its_own_pixels(pile):
    whole = load_data(pile)
    pixels = dict(zip(whole.train.names, whole.train.x))
    d = with_labels(whole, {f's{i}.png': 'ab'[i % 2] for i in range(20)})
    for p in d.parts.values():
        assert all(torch.equal(pixels[n], x) for n, x in zip(p.names, p.x))
    assert sum(map(len, d.parts.values())) == 40


def test_test_images_of_the_data_stay():
    d = load_data('digits')
    said = {f'train/{i}': d.classes[d.train.y[i]] for i in range(20)} | {'test/0': '1', 'valid/3': '2'}
    got, line = loud(with_labels, d, said)
    assert line == 'the labels: 1 label of images held back for testing not learned from\n'
    assert (
        torch.equal(got.test.x, d.test.x) and 'valid/3' in got.train.names and 'test/0' not in got.train.names
    )
    with pytest.raises(SslNbError, match='only images that digits holds back'):
        with_labels(d, {'test/0': '1', 'test/1': '2'})


def test_a_slip_in_a_class_and_classes_of_ones_own():
    d = load_data('digits')
    with pytest.raises(SslNbError, match="unknown class in the labels: 'tree'"):
        with_labels(d, {'train/0': '1', 'train/1': 'tree'})
    own = with_labels(
        d, {f'{part}/{i}': 'round' if i % 2 else 'straight' for part in ('train', 'test') for i in range(9)}
    )
    assert own.classes == ['round', 'straight'] and len(own.train) + len(own.test) == 18


def test_scoring_leaves_out_what_was_learned(pile):
    d, said = load_data(pile), {f's{i}.png': 'ab'[i % 2] for i in range(10)}
    got, line = loud(scored_by, d, said, ['a', 'b', 'c'], learned=['s0.png', 's7.png', 'a b.png'])
    assert line == 'the labels: 2 labelled images left out, as the classifier learned from them\n'
    assert len(got.test) == 8 and got.classes == ['a', 'b', 'c'] and got.twins == 0


# --- two people


def test_merging():
    a = {'1.png': 'x', './2.png': 'x', '3.png': 'y', '4.png': None}
    b = {'1.png': 'x', '2.png': 'y', '4.png': 'z'}
    m = merge_labels(a, b)
    assert m.labels == {'1.png': 'x', '2.png': None, '3.png': 'y', '4.png': 'z'}
    assert str(m).splitlines() == [
        "4 images with a label, 2 of them from both (50.0 % alike)",
        "2.png: 'x' or 'y'?",
    ]
    assert merge_labels(b, a).labels == m.labels
    alone = str(merge_labels({}, {'\x1b[2J.png': 'x'})).splitlines()
    assert alone[0] == '1 image with a label, 0 of them from both' and 'no name stands in both' in alone[1]
    assert '\x1b' not in str(merge_labels({'\x1b[2J.png': 'y'}, {'\x1b[2J.png': 'x'}))


def test_merging_keeps_parts_and_tells_slips(tmp_path):
    parts = {'1.png': ('x', 'train'), '2.png': ('y', 'test'), '3.png': ('x', 'test')}
    write_labels(parts, tmp_path / 'parts.csv')
    m = merge_labels(tmp_path / 'parts.csv', {'1.png': 'x', '3.png': 'y', '4.png': 'y'})
    assert m.labels == {
        '1.png': parts['1.png'],
        '2.png': parts['2.png'],
        '3.png': None,
        '4.png': ('y', 'train'),
    }
    again = label_rows(write_labels(m.labels, tmp_path / 'both.csv'))
    assert again == {f: v or (None, None) for f, v in m.labels.items()}
    write_labels({'1.png': ('x', 'test')}, tmp_path / 'other.csv')
    with pytest.raises(SslNbError, match='1.png is for train in one file and for test in the other'):
        merge_labels(tmp_path / 'parts.csv', tmp_path / 'other.csv')
    with pytest.raises(SslNbError, match='a.png appears twice'):
        merge_labels({'a.png': 'x', './a.png': 'y'}, {})


def test_two_columns_of_one_name_are_refused(tmp_path):
    (tmp_path / 'a.csv').write_text('file,label,label\n1.png,x,y\n')
    with pytest.raises(SslNbError, match='two columns called label'):
        label_rows(tmp_path / 'a.csv')


def test_a_folder_reads_its_table_as_it_was_written(tmp_path):
    names = [n for n in ODD_NAMES if '"' not in n]
    fill(tmp_path, names)
    said = {name: ('=SUM(A1)', '-x')[i % 2] for i, name in enumerate(names)}
    write_labels(said, tmp_path / 'labels.csv')
    d = load_data(tmp_path, image_size=16)
    assert named(d) | named(d, 'test') == said


def test_the_command_merge(tmp_path):
    (tmp_path / 'a.csv').write_text('file,label\n1.png,x\n2.png,x\n')
    (tmp_path / 'b.csv').write_text('file,label\n1.png,x\n2.png,y\n')
    done = command('merge', 'a.csv', 'b.csv', '--out', 'c.csv', cwd=tmp_path)
    assert done.returncode == 0 and "2.png: 'x' or 'y'?" in done.stdout, done.stderr
    assert (tmp_path / 'c.csv').read_text() == 'file,label\n1.png,x\n2.png,\n'
    done = command('merge', 'a.csv', 'd.csv', cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, 'ssl_nb: there is no file d.csv\n')


# --- stages

QUICK = ['--no-baselines', '--no-pictures', '--quiet']


@pytest.fixture
def run(trained, tmp_path):
    "A run on the digits, with a file of 60 labels"
    shutil.copytree(trained / 'whole', tmp_path / 'run')
    d = load_data('digits')
    write_labels({f'train/{i}': d.classes[d.train.y[i]] for i in range(60)}, tmp_path / 'labels.csv')
    write_labels({f'train/{i}': d.classes[d.train.y[i]] for i in range(50, 90)}, tmp_path / 'more.csv')
    return tmp_path


def test_every_stage_takes_a_file_of_labels(run):
    extra = dict(
        probe=[], finetune=['--steps', '4', '--stop', 'fixed'], semi=['--steps', '4', '--rounds', '1']
    )
    for stage, flags in extra.items():
        done = command(stage, 'run', '--labels', 'labels.csv', *flags, *QUICK, cwd=run)
        assert done.returncode == 0, done.stderr
        m = json.loads((run / 'run' / stage / 'metrics.json').read_text())
        assert (m['n_labels'], m['n_test']) == (60, 500)
        assert len((run / 'run' / stage / 'given_labels.csv').read_text().splitlines()) == 61
    assert m['n_unlabelled'] == 1237
    (run / 'labels.csv').unlink()
    done = command('evaluate', 'run/semi', '--quiet', cwd=run)
    assert done.returncode == 0, 'a run needs no file but its own: ' + done.stderr
    done = command('evaluate', 'run/semi', '--labels', 'more.csv', cwd=run)
    assert 'more.csv: 10 labelled images left out' in done.stderr and ', 30 test images' in done.stdout


def test_wrong_labels_leave_a_finished_run_as_it_is(run):
    done = command('probe', 'run', '--labels', 'labels.csv', *QUICK, cwd=run)
    was = (run / 'run' / 'probe' / 'metrics.json').read_bytes()
    (run / 'labels.csv').write_text('file,label\nx.png,1\n')
    for words, why in (
        (['--labels', 'labels.csv'], 'none of the 1 names in labels.csv is an image of digits'),
        (['--labels', 'gone.csv'], 'there is no file gone.csv'),
    ):
        done = command('probe', 'run', *words, '--force', *QUICK, cwd=run)
        assert done.returncode == 2 and why in done.stderr and done.stderr.count('\n') == 1
    assert (run / 'run' / 'probe' / 'metrics.json').read_bytes() == was


def test_clusters_are_scored_by_labels(run):
    command('cluster', 'run', '--n-init', '1', *QUICK, cwd=run)
    done = command('evaluate', 'run/cluster', '--labels', 'labels.csv', cwd=run)
    assert done.returncode == 0 and done.stdout.startswith('60 images in clusters of'), done.stderr


def test_labels_from_python(run):
    d = load_data('digits')
    said = {f'train/{i}': d.classes[d.train.y[i]] for i in range(60)}
    how = dict(baselines=False, pictures=False, quiet=True)
    probed = ssl_nb.probe(run / 'run', labels=said, **how)
    again = ssl_nb.probe(run / 'run', labels=run / 'labels.csv', out=run / 'again', **how)
    read = lambda r: json.loads((r.path / 'metrics.json').read_text())['accuracy']
    assert read(probed) == read(again)
    few = ssl_nb.probe(run / 'run', labels=said, labels_per_class=2, out=run / 'few', **how)
    assert json.loads((few.path / 'metrics.json').read_text())['n_labels'] == 20
    assert ssl_nb.evaluate(run / 'few', labels=said)['n_test'] == 40
