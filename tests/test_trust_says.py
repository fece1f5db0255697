"What is said of a result: rows beside it, intervals, sentences, names from elsewhere that do no harm."

import csv
import io
import json
import math
import re
import shutil

import numpy as np
import pytest
import torch

from conftest import command as ssl_nb
from ssl_nb import augment
from ssl_nb.core import Printable, csv_cell
from ssl_nb.data import Images

# --- names from elsewhere


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-x.png", "@me", "\tx", "\r=1", "=HYPERLINK('x')", "-inf"])
def test_no_spreadsheet_runs_a_cell(text):
    file = io.StringIO()
    csv.writer(file).writerow([csv_cell(text)])
    cell = next(csv.reader(io.StringIO(file.getvalue(), newline="")))[0]
    assert cell == "'" + text


@pytest.mark.parametrize("value", ["-0.5", "+3", "-1e-3", -0.5, 7, None, "", "a=b", "im/=1.png", "'=1"])
def test_numbers_and_plain_texts_stay(value):
    assert csv_cell(value) == value


def test_nothing_printed_steers_a_terminal():
    file = io.StringIO()
    print("\x1b]0;pwn\x07 \x9b31m é 写\ttab\nline \u202e", file=Printable(file))
    assert file.getvalue() == "\\x1b]0;pwn\\x07 \\x9b31m é 写\ttab\nline \\u202e\n"


@pytest.fixture(scope="module")
def probed(trained, once):
    "A small run with a probe and clusters"

    def make(folder):
        shutil.copytree(trained, folder)
        few = ["--no-pictures", "--quiet"]
        done = ssl_nb("probe", "whole", "--supervised-steps", "5", *few, cwd=folder)
        return ssl_nb("cluster", "whole", *few, cwd=folder) if done.returncode == 0 else done

    return once("said", make)


def changed(folder, **values):
    "Write other values into the settings of a run"
    path = folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def test_a_page_runs_nothing_that_a_run_folder_says(probed, tmp_path):
    shutil.copytree(probed / "whole", tmp_path / "r")
    bad = "<script>alert(1)</script>"
    names = ("data_name", "image_size", "encoder", "seed", "date", "device", "command", "preset")
    changed(tmp_path / "r", **dict.fromkeys(names, bad), versions={bad: bad}, **{bad: bad})
    for stage in ("probe", "cluster"):
        changed(tmp_path / "r" / stage, **{bad: bad})
        path = tmp_path / "r" / stage / "metrics.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | dict(meaning=bad)), "utf-8")
    from ssl_nb.reporting import _cards, _head, _labelled_parts, _meant, _settings_part

    s = json.loads((tmp_path / "r/settings.json").read_text("utf-8"))  # what reads it is stricter
    m = dict(verdict=bad, seconds=1.0, meaning=bad)
    found = dict.fromkeys(("probe", "finetune", "semi", "cluster", "curve"), {})
    found |= dict(probe=json.loads((tmp_path / "r/probe/metrics.json").read_text("utf-8")))
    parts = [*_head(s, m, found), *_settings_part({"pretraining": s}, bad), _meant(m), _cards(s, m, found)]
    parts += _labelled_parts(tmp_path / "r", found)
    page = "".join(map(str, parts))
    assert "alert(1)" in page and "<script" not in page


def test_a_whole_page_runs_nothing(probed, tmp_path):
    shutil.copytree(probed / "whole", tmp_path / "r")
    changed(tmp_path / "r", data_name="<script>alert(1)</script>", date="<img src=x onerror=alert(2)>")
    made = ssl_nb("report", "r", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    page = (tmp_path / "r/report.html").read_text("utf-8")
    assert "alert(1)" in page and "<script" not in page and "<img src=x" not in page


# --- views


def former_crop(area, n, side, gen):
    "The numbers of `Crop` as they were drawn before; below 0.75 it kept its promise"
    share = torch.rand(n, generator=gen) * (1 - area) + area
    ratio = (torch.rand(n, generator=gen) * (2 * math.log(4 / 3)) - math.log(4 / 3)).exp()
    w, h = (side * (share * ratio).sqrt()).clamp(max=side), (side * (share / ratio).sqrt()).clamp(max=side)
    top = torch.rand(n, generator=gen) * (side - h)
    return dict(top=top, left=torch.rand(n, generator=gen) * (side - w), height=h, width=w)


@pytest.mark.parametrize("area", [0.08, 0.2, 0.5, 0.7, 0.75])
def test_crops_of_presets_are_drawn_as_before(area):
    gens = [torch.Generator().manual_seed(3) for _ in range(2)]
    was, now = former_crop(area, 2000, 28, gens[0]), augment.Crop(area).draw(2000, (1, 28, 28), gens[1])
    for name, v in was.items():
        torch.testing.assert_close(now[name], v, rtol=0, atol=1e-5)


@pytest.mark.parametrize("area", [0.05, 0.5, 0.75, 0.76, 0.8, 0.9, 0.99, 1.0])
def test_a_crop_keeps_its_area(area):
    d = augment.Crop(area).draw(20_000, (1, 28, 40), torch.Generator().manual_seed(0))
    share = d["height"] * d["width"] / (28 * 40)
    assert area - 1e-5 <= share.min() and share.max() <= 1 + 1e-5
    assert min(d["top"].min(), d["left"].min()) >= -1e-5
    assert (d["top"] + d["height"]).max() <= 28.001 and (d["left"] + d["width"]).max() <= 40.001


@pytest.mark.parametrize("t", [augment.Crop(0.2), augment.Crop(0.9), augment.ROICrop(0.3)], ids=repr)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 24)], ids=str)
def test_a_white_image_stays_white_to_its_rim(t, shape):
    "As in torchvision and in kornia (0.9 was tried by hand)"
    from torchvision.transforms.v2 import RandomResizedCrop

    white = torch.ones(64, *shape)
    torch.testing.assert_close(t(white, torch.Generator().manual_seed(0)), white, rtol=0, atol=1e-5)
    assert RandomResizedCrop(shape[1:], scale=(0.2, 1), antialias=False)(white).min() > 0.999


def test_what_lies_outside_stays_black():
    white = torch.ones(3, 1, 8, 8)
    moved = augment.warp(white, augment.matrix(tx=torch.tensor([3.0, -2.0, 0.25])))
    assert moved[0, 0, 0].tolist() == [1.0] * 5 + [0.0] * 3
    assert moved[1, 0, 0].tolist() == [0.0] * 2 + [1.0] * 6
    assert moved[2, 0, 0].tolist() == [1.0] * 8


@pytest.mark.parametrize("name", list(augment.TRANSFORMS))
def test_no_image_depends_on_those_beside_it(name):
    t = augment.TRANSFORMS[name](2 if name in ("posterize", "rotation") else 0.5)
    x = 0.05 + 0.9 * torch.rand(12, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    numbers = t.draw_on(12, (3, 20, 20), torch.Generator().manual_seed(1))
    whole = augment.apply_drawn(x, [(t, numbers)])
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = augment.apply_drawn(x[rows], [(t, {k: v[rows] for k, v in numbers.items()})])
        torch.testing.assert_close(part, whole[rows], rtol=0, atol=2e-6)


# --- what stands beside a result


def test_bare_pixels_stand_beside_clusters(probed):
    m = json.loads((probed / "whole/cluster/metrics.json").read_text("utf-8"))
    from ssl_nb.data import load_data
    from ssl_nb.deepclustering import all_images, clustering_scores, kmeans
    from ssl_nb.encoders import raw_pixels

    im = all_images(load_data("digits", 16))
    scores = clustering_scores(im.y.numpy(), kmeans(raw_pixels(im), 10, 20, 0).labels_)
    assert {k: m[f"pixel_{k}"] for k in scores} == scores
    said = probed.with_name("said.log").read_text("utf-8")
    assert f"clusters of bare pixels:        accuracy (Hungarian) {scores['acc']:.3f}" in said
    assert m["meaning"] in said


def test_pixels_of_many_images_are_clustered_by_some():
    from ssl_nb.deepclustering import hungarian_accuracy, pixel_clusters

    gen = torch.Generator().manual_seed(0)
    y = torch.arange(900) % 3
    shapes = torch.zeros(3, 1, 6, 6)
    shapes[0, :, :2], shapes[1, :, 2:4], shapes[2, :, 4:] = 200, 200, 200
    x = (shapes[y] + 30 * torch.rand(900, 1, 6, 6, generator=gen)).to(torch.uint8)
    assert hungarian_accuracy(y.numpy(), pixel_clusters(Images(x), 3, most=60)) == 1.0


def test_semi_has_all_rows(probed, tmp_path):
    shutil.copytree(probed / "whole", tmp_path / "r")
    (tmp_path / "fast.ini").write_text("[digits.finetune]\nsteps = 4\n")
    words = "--labels-per-class 2 --steps 4 --rounds 1 --no-pictures --quiet --settings fast.ini".split()
    done = ssl_nb("semi", "r", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    from ssl_nb.probing import FEW_ARMS

    assert all(re.search(rf"^{re.escape(what)} +[0-9.]+ %", done.stdout, re.M) for what in FEW_ARMS)
    m = json.loads((tmp_path / "r/semi/metrics.json").read_text("utf-8"))
    assert m["meaning"] in done.stdout and "images without labels" in m["meaning"]


# --- how sure an answer is


def test_a_cluster_says_what_it_holds_and_that_it_is_one(probed, tmp_path):
    from PIL import Image

    from ssl_nb.data import load_data

    Image.fromarray(load_data("digits").test.x[0, 0].numpy()).save(tmp_path / "=1.png")
    m = json.loads((probed / "whole/cluster/metrics.json").read_text("utf-8"))
    told = ssl_nb("predict", probed / "whole/cluster", "=1.png", "--json", cwd=tmp_path)
    row = json.loads(told.stdout)[0]
    number, name, share = re.fullmatch(
        r"cluster (\d+) \(mostly (\w+): (\d+) % of its labelled images\)", row["class"]
    ).groups()
    held = np.array(m["contingency"])[:, int(number)]
    assert m["classes"][held.argmax()] == name and round(100 * held.max() / held.sum()) == int(share)
    assert "probability" not in row and 0 < row["membership"] <= 1 and row["answered_by"] == "cluster"
    text = ssl_nb("predict", probed / "whole/cluster", "=1.png", cwd=tmp_path).stdout
    assert "% membership" in text and "not how likely a class is" in text
    table = ssl_nb("predict", probed / "whole/cluster", "=1.png", "--csv", cwd=tmp_path).stdout
    cells = next(csv.DictReader(table.splitlines()))
    assert cells["file"] == "'=1.png" and cells["class"] == row["class"] and "membership" in cells
    by_probe = ssl_nb("predict", probed / "whole", "=1.png", cwd=tmp_path).stdout
    assert "(probe)" in by_probe and "membership" not in by_probe


def test_clusters_are_listed_by_what_they_hold(probed):
    text = ssl_nb("evaluate", "whole/cluster", cwd=probed).stdout
    assert re.search(r"^ +0 +[\d,]+  \w+ +\d+ %$", text, re.M) and "mostly" in text


def test_intervals_are_those_of_wilson():
    from ssl_nb.stages import gain, interval

    z, p, n = 1.959964, 0.988, 500
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert interval(p, n) == pytest.approx([(middle + s * half) / (1 + z * z / n) for s in (-1, 1)], abs=1e-6)
    low, high = gain(0.9, 0.7, 100)[1:]
    assert 0.09 < low < 0.2 < high < 0.31


def test_intervals_hold_what_they_promise():
    from ssl_nb.stages import gain

    rng = np.random.default_rng(0)
    a, b = rng.binomial(200, 0.9, 400) / 200, rng.binomial(200, 0.85, 400) / 200
    held = [low <= 0.05 <= high for _, low, high in (gain(x, y, 200) for x, y in zip(a, b))]
    assert 0.92 <= np.mean(held) <= 0.98


def test_the_table_has_intervals(probed):
    text = ssl_nb("report", "whole", cwd=probed)
    assert text.returncode == 0, text.stderr
    page = (probed / "whole/report.html").read_text("utf-8")
    assert re.search(r"points against the best baseline, 95 % interval [+-][\d.]+ to [+-][\d.]+", page)
    assert re.search(r"<td>[\d.]+ to [\d.]+</td>", page) and "groups of raw pixels" in page
    assert "NMI: how much group and class tell about each other" in page
    assert re.search(r"<h2>What to do next</h2>\s*<pre>ssl_nb \w+ whole</pre>", page)
    again = re.search(r"<h2>Do it again</h2><pre>(.*)</pre>", page)[1]
    assert again.endswith("--out whole-again") and "--resume" not in again and "--force" not in again


# --- sentences


def test_sentences_follow_the_numbers():
    from ssl_nb.stages import meaning

    arms = dict(n_test=500, n_labels=100, raw_linear_acc=0.88, supervised_acc=0.9)
    helps = lambda acc: meaning("probe", arms | dict(linear_acc=acc))
    assert helps(0.96).startswith(
        "Pretraining helps here: the linear probe is ahead of a network from scratch (+6.0"
    )
    assert helps(0.91).startswith(
        "500 test images cannot separate the linear probe from a network from scratch (+1.0"
    )
    assert helps(0.80).startswith("Pretraining does not help here: the linear probe is behind")
    assert "ssl_nb semi uses the 900 images" in meaning(
        "probe", arms | dict(linear_acc=0.9, n_pretrained=1000)
    )
    assert "ssl_nb finetune" in helps(0.9)
    assert "without baselines nobody knows" in meaning("probe", dict(linear_acc=0.9, n_labels=1, n_test=9))
    tuned = arms | dict(finetune_acc=0.97)
    assert meaning("finetune", tuned).startswith("Pretraining helps here: the fine-tuned network")
    semi = tuned | dict(semi_acc=0.99)
    assert meaning("semi", semi).startswith("The images without labels help, beside fine-tuning (+2.0")
    assert "do harm" in meaning("semi", semi | dict(semi_acc=0.9))
    assert "make no measurable difference" in meaning("semi", semi | dict(semi_acc=0.975))
    assert "nobody knows" in meaning("semi", dict(semi_acc=0.9))


def test_a_sentence_on_pretraining_reads_the_curve_of_neighbours():
    from ssl_nb.stages import meaning

    rows = lambda *knn: [dict(knn_accuracy=v) for v in knn]
    says = lambda *knn, **m: meaning("pretrain", m, rows(*knn))
    assert "level at 80.0 % since epoch 2 of 6, so longer training will not help" in says(
        0.5, 0.8, 0.8, 0.8, 0.8, 0.8
    )
    assert "rose by 20.0 points in the last half; more epochs may help" in says(0.5, 0.6, 0.7, 0.8)
    assert "fell from 80.0 to 60.0 %" in says(0.5, 0.8, 0.7, 0.6)
    assert "2 epochs cannot show a trend" in says(0.5, 0.8)
    assert "not say what it is worth" in meaning("pretrain", {}, [dict(loss=1.0)])
    assert "look-out" in says(0.5, verdict="collapsed")


def test_a_sentence_on_clusters_names_pixels_and_doubts_the_number():
    from ssl_nb.stages import meaning

    m = dict(k=10, cluster_acc=0.399, pixel_acc=0.414, classes=list("abcdefg"))
    assert meaning("cluster", m).startswith("No better than bare pixels: right in 39.9 % of the images")
    assert "41.4 %" in meaning("cluster", m) and "10 clusters were assumed" in meaning("cluster", m)
    assert "the number of classes" in meaning("cluster", m | dict(k=7))
    assert meaning("cluster", m | dict(cluster_acc=0.6)).startswith("The representation helps")
    votes = lambda share: meaning("cluster", dict(k=6, suggested=dict(votes={"6": share})))
    assert "k = 6 with 50 % of the votes is a guess" in votes(0.5).replace("K", "k", 1)
    assert "is clear" in votes(1.0) and "is likely" in votes(0.75)


def test_a_sentence_on_the_curve():
    from ssl_nb.stages import meaning

    arms = dict(finetune_acc={"1": [0.5, 0.6], "10": [0.9]}, supervised_acc={"1": [0.3], "10": [0.85]})
    says = meaning("curve", dict(arms=arms))
    assert "worth +25.0 points with 1 labels" in says.replace("1 label of", "1 labels of")
    assert "+5.0 with 10" in says and "more labels still help" in says
    assert meaning("curve", dict(arms={})) == "Too few arms to compare."


def test_every_stage_has_a_sentence():
    from ssl_nb.settings import stage_names
    from ssl_nb.stages import _says, meaning

    assert set(_says) | {"borrow"} == set(stage_names())  # borrow says what its network has seen
    assert meaning("a stage of one's own", {}) == ""


# --- time


def test_a_long_training_is_announced(capsys):
    from ssl_nb import few_labels, load_data
    from ssl_nb.encoders import make_encoder
    from ssl_nb.finetuning import say_time

    train = load_data("digits", 16).train
    labelled, encoder = train[few_labels(train.y, 2)], make_encoder("small_cnn", size=16)
    before, drawn = [p.clone() for p in encoder.parameters()], torch.get_rng_state()
    assert say_time(encoder, labelled, None, 100_000, batch_size=8, least=0) > 0
    assert re.fullmatch(r"100,000 steps of training, about .+ on this machine\n", capsys.readouterr().err)
    assert all(map(torch.equal, before, encoder.parameters())) and torch.equal(drawn, torch.get_rng_state())
    assert say_time(encoder, labelled, None, 100_000, quiet=True) == 0
    assert say_time(encoder, labelled, None, 99) == 0 and capsys.readouterr().err == ""
