"Files sorted into folders and back: odd names, nothing overwritten, and a kill at every single step."

import errno
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ssl_nb.sorting as sorting
from conftest import command
from ssl_nb.core import SslNbError
from ssl_nb.sorting import (
    HOWS,
    folder_names,
    plan_sort,
    read_plan,
    sort_files,
    table_of,
    undo_sort,
    write_plan,
)

ODD = [
    'a b.png',
    'été.png',
    '写真.png',
    '-1.png',
    '=2.png',
    'x\ny.png',
    '<script>alert(1)</script>.png',
    '\x1b[2J.png',
]
CLASSES = ['T-shirt/top', 'CON', '..', 'shoe ', 'Shoe', '<b>x</b>', '\x1b[2J', 'سبد\u200cخرید']


@pytest.fixture
def files(tmp_path):
    "A folder of files, each with content of its own, some of the same name"
    for name in (*(n.replace('/', '-') for n in ODD), 'sub/a b.png', 'sub/deep/a b.png'):
        (tmp_path / 'pile' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'pile' / name).write_text(f'content of {name}')
    return tmp_path


def everything(folder, *, hidden=False):
    "{path below a folder: content} of all files"
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob('*') if p.is_file()}
    return {name: p.read_text() for name, p in found.items() if hidden or not p.name.startswith('.')}


def planned(home, doubtful=0.5):
    "A plan for all files of the pile: classes in turn, every third one doubtful"
    paths = sorted(p for p in (home / 'pile').rglob('*') if p.is_file())
    rows = [(p, CLASSES[i % len(CLASSES)], 0.2 if i % 3 == 2 else 0.9) for i, p in enumerate(paths)]
    return plan_sort(rows, home / 'sorted', doubtful)


def sort(home, how):
    "Write the plan, unless there is one, and carry it out"
    table = table_of(home / 'sorted')
    if not table.is_file():
        write_plan(planned(home), home / 'sorted', how)
    return sorting._carry_out(table, *read_plan(table))


# --- names


def test_folders_that_every_system_takes():
    names = folder_names([*CLASSES, 'a/b', 'a\\b', 'nul.txt', 'DOUBTFUL', 'x' * 500, '', ' ', '日本語'])
    assert len({n.casefold() for n in names.values()} | {'doubtful'}) == len(names) + 1
    for name in names.values():
        assert name == name.strip() and not name.endswith('.') and not name.startswith('.')
        assert not set('<>:"/\\|?*\x1b\n') & {*name} and len(name.encode()) < 256
        assert name.split('.')[0].upper() not in ('CON', 'NUL')
    assert names['日本語'] == '日本語' and names[CLASSES[-1]] == CLASSES[-1]


def test_names_are_kept_and_collisions_numbered(files):
    was = everything(files / 'pile')
    rows = [(p, 'one', 1.0) for p in sorted((files / 'pile').rglob('*.png'))]
    (files / 'sorted' / 'one').mkdir(parents=True)
    (files / 'sorted' / 'one' / 'ÉTÉ.PNG').write_text('mine')
    write_plan(plan_sort(rows, files / 'sorted'), files / 'sorted', 'copy')
    sort(files, 'copy')
    got = everything(files / 'sorted' / 'one')
    assert got.pop('ÉTÉ.PNG') == 'mine' and got['été-2.png'] == 'content of été.png'
    assert sorted(got.values()) == sorted(was.values())
    assert {'a b.png', 'a b-2.png', 'a b-3.png'} <= {*got}
    undo_sort(files / 'sorted.csv')
    assert everything(files / 'sorted') == {'one/ÉTÉ.PNG': 'mine'} and everything(files / 'pile') == was


def test_a_name_that_is_no_text_is_sorted_and_put_back(files):
    odd = os.fsencode(files / 'pile') + b'/\xff.png'
    try:
        with open(odd, 'w') as f:
            f.write('odd')
    except OSError:  # a disk that takes no such names has none to be sorted
        assert sys.platform != 'linux'
        return
    assert set(sort(files, 'move')) == {'done'} and not os.path.exists(odd)
    undo_sort(files / 'sorted.csv')
    with open(odd) as f:
        assert f.read() == 'odd'


# --- there and back


@pytest.mark.parametrize('how', HOWS)
@pytest.mark.parametrize('disk', ['one', 'no hard links', 'another'])
def test_there_and_back(files, how, disk, monkeypatch):
    if disk != 'one':

        def refuse(a, b, **_):
            raise OSError(errno.EXDEV, 'another disk')

        monkeypatch.setattr(os, 'link', refuse)
    if disk == 'another':
        monkeypatch.setattr(sorting, '_on_one_disk', lambda a, b: str(b).startswith(str(a)) or False)
    was = everything(files / 'pile')
    assert set(sort(files, how)) == {'done'}
    assert sorted(everything(files / 'sorted').values()) == sorted(was.values())
    assert everything(files / 'pile') == ({} if how == 'move' else was)
    assert set(sort(files, how)) == {'before'}
    undone = undo_sort(files / 'sorted.csv')
    assert not undone.troubles and everything(files) == {f'pile/{n}': text for n, text in was.items()}
    assert not (files / 'sorted').exists()


def test_a_link_among_the_files(files):
    target = files / 'elsewhere.png'
    target.write_text('elsewhere')
    (files / 'pile' / 'link.png').symlink_to(Path('..', 'elsewhere.png'))
    for how in HOWS:
        sort(files, how)
        assert 'elsewhere' in everything(files / 'sorted').values()
        undo_sort(files / 'sorted.csv')
        assert (files / 'pile' / 'link.png').read_text() == target.read_text() == 'elsewhere'


def test_nothing_that_came_between_is_overwritten(files):
    table = write_plan(planned(files), files / 'sorted', 'move')
    first, second, *_ = read_plan(table)[0]
    for move in (first, second):
        (files / move.to).parent.mkdir(parents=True, exist_ok=True)
        (files / move.to).write_text('mine')
    assert sort(files, 'move')[:2] == ['taken', 'taken']
    assert (files / first.to).read_text() == 'mine' and 'content of' in Path(first.file).read_text()
    done = undo_sort(table)
    assert [m for m, _ in done.troubles] == [first, second] and table.is_file()
    assert 'another file has its place' in str(done)
    assert (files / first.to).read_text() == 'mine' and len(everything(files / 'pile')) == len(ODD) + 2


def test_a_changed_copy_is_kept(files):
    sort(files, 'copy')
    move = read_plan(files / 'sorted.csv')[0][0]
    (files / move.to).write_text('painted over')
    assert [s for _, s in undo_sort(files / 'sorted.csv').troubles] == ['taken']
    assert (files / move.to).read_text() == 'painted over'


def test_the_only_copy_that_is_left_is_kept(files):
    sort(files, 'link')
    move = read_plan(files / 'sorted.csv')[0][0]
    Path(move.file).unlink()
    assert [s for _, s in undo_sort(files / 'sorted.csv').troubles] == ['last']
    assert (files / move.to).is_file()


def test_control_codes_are_printed_as_text(files):
    said = str(sorting.Sorted(files / 'sorted.csv', planned(files), 'link', []))
    assert '\x1b' not in said and 'x\\ny.png' in said
    lost = sorting.Sorted(files / 'sorted.csv', planned(files), 'link', ['taken'] * (len(ODD) + 2))
    assert '\x1b' not in str(lost)


# --- a kill at every step

STEPS = 'link unlink rename replace symlink mkdir rmdir fsync'.split()


def killed_at(n, job):
    "Run a job in a forked process that is killed before, or after, its n-th step on the disk; False when it ended"
    child = os.fork()
    if child == 0:
        try:
            _count_steps(n)
            job()
        except BaseException:
            os._exit(3)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _count_steps(n):
    "Let every step on the disk count twice, before and after, and kill this process when it is its turn"
    count = iter(range(1, 10**9))

    def tick():
        if next(count) == n:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(do):
        def step(*args, **kw):
            tick()
            found = do(*args, **kw)
            tick()
            return found

        return step

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    shutil.copy2 = _in_halves(tick)


def _in_halves(tick):
    def copy2(file, to):
        content = Path(file).read_bytes()
        with open(to, 'wb') as f:
            f.write(content[: len(content) // 2])
            f.flush()
            tick()
            f.write(content[len(content) // 2 :])

    return copy2


def on_another_disk():
    "Let the folder to sort into lie on another disk"

    def link(a, b, **_):
        raise OSError(errno.EXDEV, 'another disk')

    os.link = link
    sorting._on_one_disk = lambda a, b: os.path.dirname(a) == os.path.dirname(b)


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='a process can be forked')
@pytest.mark.parametrize('disk', ['one', 'another'])
@pytest.mark.parametrize('how', HOWS)
def test_a_kill_at_every_step_loses_nothing(files, how, disk, monkeypatch):
    for path in sorted(p for p in (files / 'pile').rglob('*') if p.is_file())[2:]:  # two are enough
        path.unlink()
    if disk == 'another':
        monkeypatch.setattr(os, 'link', os.link)
        monkeypatch.setattr(sorting, '_on_one_disk', sorting._on_one_disk)
        on_another_disk()
    was, steps, killed = everything(files / 'pile'), 0, True
    while killed:
        steps += 1
        killed = killed_at(steps, lambda: sort(files, how))
        assert set(was.values()) <= set(everything(files).values()), f'step {steps}'
        if steps % 2 and (files / 'sorted.csv').is_file():  # half of the times it is undone at once
            again, undoing = True, 0
            while again:
                undoing += 2 + steps % 5
                again = killed_at(
                    undoing, lambda: (files / 'sorted.csv').is_file() and undo_sort(files / 'sorted.csv')
                )
                assert set(was.values()) <= set(everything(files).values()), f'step {steps}, undo {undoing}'
        else:
            sort(files, how)
            assert sorted(everything(files / 'sorted').values()) == sorted(was.values())
            undo_sort(files / 'sorted.csv')
        assert everything(files, hidden=True) == {f'pile/{n}': t for n, t in was.items()}, f'step {steps}'
        shutil.rmtree(files / 'sorted', ignore_errors=True)
    assert steps > 12


def test_a_full_disk_leaves_all_as_it_was(files, monkeypatch):
    was = everything(files / 'pile')

    def full(file, to):
        Path(to).write_bytes(Path(file).read_bytes()[:3])
        raise OSError(errno.ENOSPC, 'No space left on device', str(to))

    with monkeypatch.context() as m:
        m.setattr(shutil, 'copy2', full)
        with pytest.raises(OSError, match='No space'):
            sort(files, 'copy')
    assert everything(files / 'pile') == was and not any((files / 'sorted').rglob('*.png'))
    assert not any('half' in p.name for p in files.rglob('*'))
    assert set(sort(files, 'copy')) == {'done'}


# --- what is refused


def test_what_is_no_table(tmp_path):
    head = 'file,to,class,confidence,how\n'
    for text, why in (
        ('', 'is not the table'),
        ('file,label\na,b\n', 'is not the table'),
        (head + '/a,./../../etc/x,c,1.0000,move\n', 'line 2'),
        (head + 'a,./s/x,c,1.0000,move\n', 'line 2'),
        (head + '/a,/s/x,c,1.0000,move\n', 'line 2'),
        (head + '/a,./s/x,c,1.0000,burn\n', 'line 2'),
        (head + '/a,./s/x,c,1.0000,move\n/b,./s/y,c,1.0000,link\n', 'was changed'),
        ('\0', 'is not the table'),
    ):
        (tmp_path / 'x.csv').write_text(text)
        with pytest.raises(SslNbError, match=why):
            undo_sort(tmp_path / 'x.csv')
    with pytest.raises(SslNbError, match='there is no table'):
        undo_sort(tmp_path / 'none.csv')


@pytest.mark.parametrize(
    'change, why',
    [
        (dict(how='burn'), 'unknown way to sort'),
        (dict(doubtful=1.5), 'lies in 0..1'),
        (dict(folder='none'), 'is no folder'),
        (dict(out='pile/sorted'), 'lie in one another'),
        (dict(out='.'), 'lie in one another'),
        (dict(out='a-file'), 'is a file'),
        (dict(out='a-run'), 'is a run folder'),
        (dict(out='a-run/sorted'), 'lies in one'),
    ],
)
def test_what_is_refused_before_anything(files, change, why, monkeypatch):
    monkeypatch.chdir(files)
    Path('a-file').write_text('')
    Path('a-run').mkdir()
    Path('a-run/settings.json').write_text('{"stage": "pretrain", "format_version": 1}')
    given = dict(run='none', folder='pile', out='sorted') | change
    with pytest.raises(SslNbError, match=why):
        sort_files(**given)
    assert not (files / 'sorted').exists()


# --- the command


@pytest.fixture
def sorted_run(trained, tmp_path):
    "A run with a probe, and a folder of thirty digits"
    from ssl_nb.data import load_data

    shutil.copytree(trained / 'whole', tmp_path / 'run')
    (tmp_path / 'photos').mkdir()
    for i, x in enumerate(load_data('digits').test.x[:30]):
        Image.fromarray(np.asarray(x[0])).save(tmp_path / 'photos' / f'{i}.png')
    return tmp_path


def test_the_command_sorts_by_clusters_and_by_classes(sorted_run):
    made = command('cluster', 'run', '--k', '3', '--n-init', '1', '--no-pictures', '--quiet', cwd=sorted_run)
    assert made.returncode == 0, made.stderr
    dry = command('sort', 'run', 'photos', '--how', 'move', '--dry-run', cwd=sorted_run)
    assert '30 files would be moved into' in dry.stdout and 'cluster ' in dry.stdout, dry.stderr
    assert sorted(p.name for p in sorted_run.iterdir()) == ['photos', 'run']
    done = command('sort', 'run', 'photos', '--how', 'move', '--quiet', cwd=sorted_run)
    assert done.returncode == 0 and 'put all back with: ssl_nb sort --undo sorted.csv' in done.stdout
    assert {p.name for p in (sorted_run / 'sorted').iterdir()} <= {f'cluster {i}' for i in range(3)}
    back = command('sort', '--undo', 'sorted.csv', '--quiet', cwd=sorted_run)
    assert back.stdout == '30 of 30 files put back\n' and len(list((sorted_run / 'photos').iterdir())) == 30
    (sorted_run / 'labels.csv').write_text('file,label\n3.png,mine\n4.png,\n')
    command('probe', 'run', '--no-baselines', '--no-pictures', '--quiet', cwd=sorted_run)
    words = ['--labels', 'labels.csv', '--doubtful', '0.999', '--quiet']
    done = command('sort', 'run', 'photos', *words, cwd=sorted_run)
    assert (sorted_run / 'sorted' / 'mine' / '3.png').is_file() and 'doubtful/' in done.stdout, done.stderr
    (sorted_run / 'photos' / 'new.png').write_bytes((sorted_run / 'photos' / '0.png').read_bytes())
    done = command('sort', 'run', 'photos', *words, cwd=sorted_run)
    assert '1 file came since' in done.stdout and 'by the plan in sorted.csv' in done.stdout


def test_wrong_words_of_the_command(sorted_run):
    for words, why in (
        (['run'], 'and the FOLDER to sort'),
        (['run', 'photos', '--undo', 'x.csv'], '--undo needs no RUN'),
        (['--undo', 'x.csv'], 'there is no file x.csv'),
        (['run', 'photos', '--labels', 'none.csv'], 'there is no file none.csv'),
        (['run', 'photos'], 'there is no classifier|holds no classifier'),
    ):
        done = command('sort', *words, cwd=sorted_run)
        assert done.returncode == 2 and done.stderr.count('\n') == 1, done.stderr
        assert any(w in done.stderr for w in why.split('|')), done.stderr


# --- the page of a pile without labels


def test_the_page_of_a_pile_without_labels(tmp_path):
    evil = '<script>alert(1)<\u2215script>\x1b.png'
    (tmp_path / 'pile').mkdir()
    rng = np.random.default_rng(0)
    for i, name in enumerate([evil, '写真.png', *(f'{i}.png' for i in range(22))]):
        Image.fromarray(
            rng.integers(0, 120, (16, 16), np.uint8) + 60 * (i % 3) * np.eye(16, dtype=np.uint8)
        ).save(tmp_path / 'pile' / name)
    words = ['--epochs', '1', '--batch-size', '16', '--quiet', '--out', 'run']
    done = command('demo', '--data', 'pile', *words, cwd=tmp_path, OMP_NUM_THREADS='1')
    assert done.returncode == 0, done.stderr
    for said in ('24 images were put into', 'next:', 'ssl_nb sort run pile --dry-run', '--labels labels.csv'):
        assert said in done.stdout
    page = (tmp_path / 'run' / 'report.html').read_text()
    for said in ('groups in 24 images', 'images in the pile', 'What to do next', 'Most typical:', '写真.png'):
        assert said in page
    assert '<script' not in page and '\x1b' not in page and '\x1b' not in done.stdout
    cards = page.partition('<div class="cards">')[2].partition('<h2>')[0]
    assert ' s<' not in cards and 'label.html' not in page
    (tmp_path / 'run' / 'label.html').write_text('x')
    assert command('report', 'run', cwd=tmp_path).returncode == 0
    assert '<a href="label.html">' in (tmp_path / 'run' / 'report.html').read_text()
