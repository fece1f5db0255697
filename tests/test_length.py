"How long a run is: epochs from minutes, from the number of images, and a resume that keeps them."

import pytest
import torch

import ssl_nb
from ssl_nb import cli, pretraining
from ssl_nb.core import SslNbError
from ssl_nb.experiments import check_demo
from ssl_nb.pretraining import epoch_seconds, pretrain
from ssl_nb.runs import read_settings
from ssl_nb.settings import resolve
from ssl_nb.training import TrainingCallback

SMALL = dict(encoder="small_cnn", dim=16, batch_size=40, quiet=True, device="cpu")


class Killed(TrainingCallback):
    order = 99

    def after_train(self):
        if self.epoch == 1:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def pile():
    return ssl_nb.load_data("digits", image_size=16).train.x[:120]


@pytest.fixture
def pace(monkeypatch):
    "An epoch takes a thousand seconds, whatever the machine can do"
    calls = []

    def seconds(learn, clock, enough):
        calls.append(clock)
        epoch_seconds(learn, clock, 1e-6)
        return 1000.0

    monkeypatch.setattr(pretraining, "epoch_seconds", seconds)
    return calls


def weights(run):
    return torch.cat([p.flatten() for p in run.encoder.parameters()])


def test_minutes_become_epochs_and_a_resume_keeps_them(pile, pace, tmp_path):
    whole = pretrain(pile, minutes=75, out=tmp_path / "whole", **SMALL)
    assert (whole.settings["epochs"], len(whole.history), pace) == (4, 4, ["wall"])
    counted = pretrain(pile, epochs=4, out=tmp_path / "counted", **SMALL)
    assert weights(counted).equal(weights(whole))
    with pytest.raises(KeyboardInterrupt):
        pretrain(pile, minutes=75, out=tmp_path / "cut", cbs=[Killed()], **SMALL)
    assert len(pace) == 2
    with pytest.raises(SslNbError, match="minutes = 75.0, now 60"):
        pretrain(pile, minutes=60, out=tmp_path / "cut", resume=True, **SMALL)
    with pytest.raises(SslNbError, match="minutes = 75.0, now None"):
        pretrain(pile, epochs=9, out=tmp_path / "cut", resume=True, **SMALL)
    cut = pretrain(pile, minutes=75, out=tmp_path / "cut", resume=True, **SMALL)
    assert len(pace) == 2  # it was not measured again
    assert weights(cut).equal(weights(whole)) and len(cut.history) == 4


def test_minutes_and_epochs_are_refused_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main("pretrain --data digits --minutes 2 --epochs 3".split()) == 2
    assert capsys.readouterr().err == "ssl_nb: give minutes or epochs, not both\n"
    for bad in ("0", "-1", "nan", "1e9", "soon"):
        assert cli.main(["pretrain", "--data", "digits", "--minutes", bad]) == 2
        said = capsys.readouterr().err
        assert "minutes" in said and said.count("\n") == 1
    assert cli.main("pretrain --data digits --minutes 0.0001 --device cpu".split()) == 2
    assert "too few for one pass over these images; allow --minutes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_minutes_stand_in_for_the_epochs_of_a_preset(tmp_path):
    mine = tmp_path / "mine.ini"
    mine.write_text("[mine]\ninherit = mnist\n[mine.pretrain]\nminutes = 3\n")
    assert resolve("pretrain", "mnist", minutes=2)["minutes"] == 2
    assert resolve("pretrain", "mine", mine)["minutes"] == 3
    counted = resolve("pretrain", "mine", mine, epochs=4)
    assert (counted["minutes"], counted["epochs"]) == (None, 4)


def test_a_small_pile_gets_its_steps(pile, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "steps_to_epochs", lambda n, batch_size: n // batch_size)
    run = pretrain(pile, out=tmp_path / "run", **SMALL)
    assert (run.settings["epochs"], len(run.history)) == (3, 3)


def test_a_run_ends_when_views_keep_no_more_neighbours(pile, tmp_path, monkeypatch, capsys):
    found = iter([0.1, 0.3, 0.305, 0.305, 0.9, 0.9])
    monkeypatch.setattr(pretraining, "neighbours_in_common", lambda a, b, k: next(found))
    run = pretrain(pile, epochs=6, patience=2, out=tmp_path / "run", **SMALL | dict(quiet=False))
    assert [row["neighbours"] for row in run.history] == [0.1, 0.3, 0.305, 0.305]
    assert "epoch 4: 2 passes kept hardly more neighbours" in capsys.readouterr().err


def test_a_run_that_stops_early_resumes_to_the_same(pile, tmp_path, monkeypatch):
    kept = dict(enumerate([0.1, 0.3, 0.3, 0.9]))
    at = lambda cb: dict(neighbours=kept[cb.epoch])
    monkeypatch.setattr(pretraining.StopEarly, "columns", at)
    asked = dict(epochs=4, patience=1, **SMALL)
    whole = pretrain(pile, out=tmp_path / "whole", **asked)
    for name, epoch in dict(early=0, late=2).items():  # before the end, and after its checkpoint

        class Cut(TrainingCallback):
            order = 65

            def after_train(self, last=epoch):
                if self.epoch == last:
                    raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            pretrain(pile, out=tmp_path / name, cbs=[Cut()], **asked)
        again = pretrain(pile, out=tmp_path / name, resume=True, **asked)
        assert len(again.history) == len(whole.history) == 3
        assert weights(again).equal(weights(whole))


@pytest.mark.parametrize("given, patience", [({}, 50), (dict(epochs=2), 0), (dict(patience=0), 0)])
def test_a_run_stops_early_unless_its_length_is_given(given, patience, pile, tmp_path):
    end = lambda cb: (_ for _ in ()).throw(KeyboardInterrupt)
    first = type("First", (TrainingCallback,), dict(after_train=end, order=99))
    with pytest.raises(KeyboardInterrupt):
        pretrain(pile, out=tmp_path / "run", cbs=[first()], **given, **SMALL | dict(batch_size=120))
    assert read_settings(tmp_path / "run")["patience"] == patience


def test_a_demo_takes_images_from_memory(pile, tmp_path):
    assert check_demo(tmp_path / "demo", False, False, dict(data=pile))["data"] is pile
    assert check_demo(tmp_path / "demo", False, False, {})["preset"] == "digits"


def test_patience_is_refused_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for bad in ("-1", "1.5", "long"):
        assert cli.main(["pretrain", "--data", "digits", "--patience", bad]) == 2
        said = capsys.readouterr().err
        assert "patience" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())
