"A file of the user's is never written over by what a command writes; its own earlier results are."

import shutil

import pytest

from ssl_nb import cli

THEIRS = {
    "labels.csv": b"file,label\n1.png,cat\n",
    "photo.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "page.html": b"<!doctype html><title>my page</title>",
    "arrays.npz": b"PK\x03\x04" + bytes(26) + b"images.npy",
    "net.onnx": b"\x08\x07\x12\x04mine",
    "table.parquet": b"PAR1" + bytes(60) + b"price" + b"PAR1",
}
COMMANDS = [
    ("label", "run", "--out"),
    ("report", "run", "--out"),
    ("check", "run", "--out"),
    ("export", "run", "--onnx", "--out"),
    ("embed", "run", "digits", "--out"),
    ("data", "digits", "--out"),
    ("data", "digits", "--csv"),
    ("data", "digits", "--views", "--out"),
    ("compare", "digits", "--out"),
    ("merge", "a.csv", "b.csv", "--out"),
]


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    "A run, two files of labels, and files of the user's"
    shutil.copytree(trained / "whole", tmp_path / "run")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("file,label\n1.png,cat\n")
    for name, content in THEIRS.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words, capsys):
    "What a command says that changes nothing"
    assert cli.main([*words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0] + words[-1])
def test_a_file_of_the_users_is_kept(words, here, capsys):
    for name, content in THEIRS.items():
        assert " is there" in refused([*words, name], capsys)
        assert (here / name).read_bytes() == content


def test_views_are_drawn_again_and_over_no_other_picture(here, capsys):
    words = ["data", "digits", "--views"]
    assert cli.main(words) == 0 and cli.main(words) == 0
    (here / "views.png").write_bytes(THEIRS["photo.png"])
    capsys.readouterr()
    assert "views.png is there" in refused(words, capsys)


def test_neither_an_input_nor_a_device_is_written_over(here, capsys):
    assert "a.csv is there" in refused(["merge", "a.csv", "b.csv", "--out", "a.csv"], capsys)
    assert "/dev/null is there" in refused(["report", "run", "--out", "/dev/null"], capsys)
    assert "settings.json is there" in refused(
        ["export", "run", "--onnx", "--out", "run/settings.json"], capsys
    )


def test_pictures_of_a_score_lose_no_run_and_no_picture(here, capsys):
    assert "is a run folder" in refused(["evaluate", "run", "--out", "run"], capsys)
    (here / "pictures").mkdir()
    for name in ("confusion.png", "metrics.json"):
        (here / "pictures" / name).write_bytes(THEIRS["photo.png"])
        assert f"{name} is there" in refused(["evaluate", "run", "--out", "pictures"], capsys)
        (here / "pictures" / name).unlink()


def allowed(words):
    "That a command may begin"
    given = vars(cli.parse([*words]))
    command = cli.COMMANDS[given.pop("command")]
    command.check(**cli._typed(command, given))


def test_what_a_command_wrote_is_written_again(here, capsys):
    written = [
        ("data", "digits", "--out", "digits.png", "--csv", "digits.csv"),
        ("embed", "run", "digits", "--quiet", "--out", "h.npz"),
        ("embed", "run", "digits", "--quiet", "--out", "h.parquet"),
        ("export", "run", "--onnx", "--part", "encoder", "--out", "h.onnx"),
        ("label", "run", "--n-images", "40", "--quiet", "--out", "label.html"),
        ("report", "run", "--out", "report.html"),
        ("check", "run", "--quiet", "--out", "check.csv"),
    ]
    for words in written:
        assert cli.main([*words]) == 0, (words, capsys.readouterr().err)
        allowed(words)
    (here / "made.html").touch()  # as by mktemp
    allowed(("report", "run", "--out", "made.html"))
