"`ssl_nb tune`: choices that are none, piles that are too small, an interruption, a setting that fails."

import json

import pytest
import torch

import ssl_nb
from ssl_nb import tuning
from ssl_nb.core import SslNbError
from ssl_nb.runs import finish_run, run_state, start_run
from ssl_nb.settings import resolve
from ssl_nb.tuning import Round, tune


@pytest.fixture
def pile():
    return ssl_nb.load_data("digits", image_size=16).train.x[:120]


@pytest.fixture
def two_rounds(monkeypatch):
    "Two rounds of seconds, whatever the machine can do"
    monkeypatch.setattr(tuning, "plan", lambda *_: [Round(4, 100, 1), Round(2, 120, 2)])
    monkeypatch.setattr(tuning, "_pace", lambda *_: (1.0, 1.0))
    return dict(views="crops,light", objectives="t = 2,VICReg", k=5, minutes=100, quiet=True, batch_size=50)


def trials(out):
    rows = json.loads((out / "trials.json").read_text())["trials"]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_an_interrupted_tune_goes_on_to_the_same_choice(pile, two_rounds, tmp_path, monkeypatch):
    whole = tune(pile, out=tmp_path / "whole", **two_rounds)
    real, calls = tuning.pretrain, []

    def interrupted(*args, **given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args, **given)

    monkeypatch.setattr(tuning, "pretrain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(pile, out=tmp_path / "again", **two_rounds)
    assert run_state(tmp_path / "again") == "unfinished"
    assert len(trials(tmp_path / "again")) == 2
    with pytest.raises(SslNbError, match="--resume"):
        tune(pile, out=tmp_path / "again", **two_rounds)
    with pytest.raises(SslNbError, match="k = 5, now 6"):
        tune(pile, out=tmp_path / "again", resume=True, **two_rounds | dict(k=6))
    again = tune(pile, out=tmp_path / "again", resume=True, **two_rounds)
    assert trials(again) == trials(whole)
    assert (again / "tuned.ini").read_text() == (whole / "tuned.ini").read_text()
    assert not (again / "trials").exists()


def test_what_tune_chose_trains(pile, two_rounds, tmp_path):
    out = tune(pile, out=tmp_path / "tune", **two_rounds)
    settings = out / "tuned.ini"
    run = ssl_nb.pretrain(pile, preset="tuned", settings=settings, epochs=1, out=tmp_path / "run", quiet=True)
    chosen = json.loads((out / "metrics.json").read_text())["settings"]
    assert {k: run.settings[k] for k in chosen} == chosen


def test_a_setting_that_fails_comes_last(pile, two_rounds, tmp_path, monkeypatch):
    real = tuning.pretrain

    def fails(*args, **given):
        if given.get("objective") == "vicreg":
            raise SslNbError("the loss is not a number")
        return real(*args, **given)

    monkeypatch.setattr(tuning, "pretrain", fails)
    out = tune(pile, out=tmp_path / "tune", **two_rounds)
    assert {t["setting"].split(", ")[1] for t in trials(out) if "failed" in t} == {"VICReg"}
    assert json.loads((out / "metrics.json").read_text())["chosen"].endswith("t = 2")
    monkeypatch.setattr(tuning, "pretrain", lambda *_, **given: fails(objective="vicreg"))
    with pytest.raises(SslNbError, match="no setting could be trained; the first one says: the loss is not"):
        tune(pile, out=tmp_path / "none", **two_rounds)


def test_tune_sees_no_labels(two_rounds, tmp_path, monkeypatch):
    data = ssl_nb.load_data("digits", image_size=16)
    seen = []
    real = tuning.pretrain
    monkeypatch.setattr(tuning, "pretrain", lambda x, **given: seen.append(x) or real(x, **given))
    tune("digits", image_size=16, most_images=120, out=tmp_path / "tune", **two_rounds)
    assert all(isinstance(x, torch.Tensor) and len(x) <= len(data.pile) for x in seen) and len(seen) == 6


@pytest.mark.parametrize(
    "given, says",
    [
        (dict(views="crops", objectives="VICReg"), "one setting is no choice"),
        (dict(views="corps"), "unknown views 'corps'"),
        (dict(objectives="t = 3"), "unknown objective 't = 3'"),
        (dict(minutes=0.01), "too few to compare 24 settings on this machine; allow --minutes"),
        (dict(minutes=0), "minutes"),
        (dict(k=100), "too few for 100 clusters"),
    ],
)
def test_choices_that_are_none(pile, given, says, tmp_path):
    with pytest.raises(SslNbError, match=says):
        tune(pile, out=tmp_path / "tune", quiet=True, **given)
    assert not (tmp_path / "tune").exists()


def test_tune_on_thirty_images(tmp_path, pile):
    with pytest.raises(
        SslNbError, match="has 30 images, too few for 20 clusters; tune needs 40, or a smaller --k"
    ):
        tune(pile[:30], out=tmp_path / "tune", quiet=True)


def test_short_runs_are_made_with_the_preset_of_the_user(pile, two_rounds, tmp_path, monkeypatch):
    mine, real, seen = tmp_path / "mine.ini", tuning.pretrain, []
    mine.write_text("[mine]\ninherit = none\n[mine.pretrain]\nprojector = linear\nimage_size = 12\n")

    def kept(*args, **given):
        run = real(*args, **given)
        seen.append([run.settings[k] for k in ("projector", "image_size")])
        return run

    monkeypatch.setattr(tuning, "pretrain", kept)
    out = tune(pile, preset="mine", settings=mine, out=tmp_path / "tune", **two_rounds)
    assert seen == [["linear", 12]] * 6
    chosen = resolve("pretrain", "tuned", out / "tuned.ini")
    assert [chosen[k] for k in ("projector", "image_size")] == ["linear", 12]
    with pytest.raises(SslNbError, match="a preset 'tuned' already"):
        tune(pile, preset="tuned", settings=out / "tuned.ini", out=tmp_path / "again", **two_rounds)


def test_a_demo_that_tunes_first(pile, tmp_path, monkeypatch, capsys):
    import numpy as np
    from PIL import Image

    from ssl_nb import cli, experiments

    (tmp_path / "photos").mkdir()
    for i, x in enumerate(pile[:40]):
        Image.fromarray(np.array(x[0])).save(tmp_path / "photos" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    asked = []

    def choose(out, data, minutes, resume, **how):
        asked.append(minutes)
        start_run(out, dict(stage="tune", parent=None, data=data))
        (out / "tuned.ini").write_text("[tuned]\ninherit = none\n[tuned.pretrain]\nepochs = 1\ncrop = 0.33\n")
        finish_run(out, dict(seconds=1))

    found = experiments.stage_function
    monkeypatch.setattr(experiments, "stage_function", lambda name: choose if name == "tune" else found(name))
    words = "demo photos --out run --quiet --k 2 --device cpu".split()
    for bad in ("0", "x", "-3"):
        assert cli.main([*words, "--tune", bad]) == 2 and "tune = " in capsys.readouterr().err
    assert cli.main([*words, "--tune", "2"]) == 0
    was = json.loads((tmp_path / "run/settings.json").read_text())
    assert (asked, was["crop"], was["epochs"]) == ([2.0], 0.33, 1)
    assert cli.main([*words, "--tune", "2", "--resume"]) == 0 and asked == [2.0]
    capsys.readouterr()
    (tmp_path / "photos").rename(tmp_path / "others")
    assert cli.main("demo others --out run --quiet --tune 2 --force".split()) == 2
    assert "chosen on photos, not on others" in capsys.readouterr().err


def test_demo_says_where_settings_come_from(capsys):
    from ssl_nb import cli

    for given in (dict(), dict(data="mnist"), dict(data="a", tune=3), dict(data="a", preset="writing")):
        cli._say_kinds(**given)
    cli._say_kinds(data="a", quiet=True)
    assert capsys.readouterr().err == ""
    cli._say_kinds(data="my photos")
    said = capsys.readouterr().err
    assert "ssl_nb data 'my photos' --views" in said and "--tune 10" in said and said.count("\n") == 1
