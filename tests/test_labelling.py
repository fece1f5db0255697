"What to label next: odd piles, odd arguments, ties and copies; what a reader should see is in the chapter."

import numpy as np
import pytest
import torch

from ssl_nb.core import SslNbError
from ssl_nb.labelling import (
    METHODS,
    Pile,
    chosen_by,
    covering_images,
    farthest_images,
    first_of_copies,
    label_next,
    mean_distance,
    name_groups,
    pure_cosine,
    typical_images,
    unsure_images,
)

GROUPS = 4
each_method = pytest.mark.parametrize("method", METHODS)


def islands(n=30, spread=0.3, seed=0):
    "Features around four directions, and which one each belongs to"
    rng = np.random.default_rng(seed)
    y = np.arange(GROUPS * n) % GROUPS
    return np.eye(GROUPS, 6)[y] + spread * rng.normal(size=(len(y), 6)), y


def circle(*degrees):
    "Points of length 1 at these angles"
    angles = torch.tensor(degrees).double().deg2rad().float()
    return torch.stack([angles.cos(), angles.sin()], 1)


def pile(x, taken=(), **more):
    "A pile of points of which some are labelled"
    return Pile(x, np.isin(np.arange(len(x)), taken), **more)


def ask(h, n, method, **more):
    "`label_next` with probabilities, which one method wants"
    p = np.random.default_rng(1).dirichlet(np.ones(3), len(h))
    return label_next(h, n, method=method, p=p, **more)


# --- all methods


@each_method
def test_a_choice_is_made_of_different_images_without_a_label(method):
    h, _ = islands()
    labelled = [0, 7, 50, 119]
    chosen = ask(h, 20, method, labelled=labelled)
    assert chosen.dtype == np.int64 and chosen.shape == (20,)
    assert len({*chosen.tolist(), *labelled}) == 24 and chosen.min() >= 0 and chosen.max() < len(h)
    assert (chosen == ask(h, 20, method, labelled=labelled)).all()
    assert (chosen == ask(h, 20, method, labelled=np.isin(np.arange(len(h)), labelled))).all()
    assert (chosen == ask(torch.tensor(h), 20, method, labelled=torch.tensor(labelled))).all()


@each_method
def test_all_images_can_be_chosen(method):
    h, _ = islands(n=8)
    assert sorted(ask(h, 32, method)) == list(range(32))
    assert sorted(ask(h, 30, method, labelled=[3, 4])) == [i for i in range(32) if i not in (3, 4)]


@each_method
@pytest.mark.parametrize("n", [1, 2, 5])
def test_images_that_are_all_equal(method, n):
    assert len(set(ask(np.ones((5, 3)), n, method).tolist())) == n


@each_method
def test_a_pile_of_one_image(method):
    assert ask(np.ones((1, 3)), 1, method).tolist() == [0]
    with pytest.raises(SslNbError, match="from 1 to the 0 images without a label"):
        ask(np.ones((1, 3)), 1, method, labelled=[0])


@each_method
def test_copies_of_a_labelled_image_come_last(method):
    h, _ = islands(n=5)
    h = np.concatenate([h, h, h])  # 20 images, three times
    chosen = ask(h, 59, method, labelled=[23])
    assert len({i % 20 for i in chosen[:19]} | {3}) == 20
    assert sorted(chosen) == [i for i in range(60) if i != 23]


@each_method
def test_lengths_and_large_or_small_numbers_do_not_matter(method):
    h, _ = islands()
    chosen = ask(h, 10, method)
    for factor in (2.0**-20, 2.0**40):
        assert (ask(h * factor, 10, method) == chosen).all()
    assert len(ask(np.concatenate([h, np.zeros((3, 6))]), 100, method)) == 100


@pytest.mark.parametrize(
    "given, says",
    [
        (dict(n=0), "n = 0, but it should be from 1 to the 120 images without a label"),
        (dict(n=121), "n = 121"),
        (dict(n=3, labelled=range(118)), "from 1 to the 2 images"),
        (dict(labelled=[120]), r"labelled holds indices 120\.\.120, but there are 120 images"),
        (dict(labelled=[-1]), "labelled holds indices -1"),
        (dict(labelled=[0.5]), "labelled should be indices of images"),
        (dict(labelled=["a.png"]), "labelled should be indices of images"),
        (dict(labelled=[True, False]), "labelled should be indices of images, or 120 times yes or no"),
        (dict(method="typicaly"), "typical"),
        (dict(method="margin"), "margin needs class probabilities"),
        (dict(method="margin", p=np.ones((120, 1))), "probabilities of two classes or more"),
        (dict(method="margin", p=np.ones((119, 2))), r"p should be \(120,K\)"),
        (dict(method="margin", p=np.full((120, 2), np.nan)), "p should be"),
        (dict(clusters=[0, 1]), "a whole number for each of the 120 images"),
        (dict(clusters=np.zeros(120)), "a whole number for each"),
        (dict(clusters=np.full(120, -1)), "clusters puts no image into a group"),
    ],
)
def test_what_is_wrong_is_said(given, says):
    with pytest.raises(SslNbError, match=says) as told:
        label_next(islands()[0], **given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("h", [np.ones(5), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_features_that_are_none(h):
    with pytest.raises(SslNbError, match="features"):
        label_next(h, 1)


def test_a_method_of_ones_own():
    h, _ = islands()
    assert label_next(h, 2, [119], lambda pile, n: np.flatnonzero(~pile.taken)[-n:]).tolist() == [117, 118]
    METHODS.register("last")(lambda pile, n: range(len(pile.x) - n, len(pile.x)))
    try:
        assert label_next(h, 2, method="last").tolist() == [118, 119]
    finally:
        del METHODS["last"]


# --- copies


def test_first_of_copies():
    x = np.array([[0.5, -0.0], [0.1, 0.2], [0.5, 0.0], [0.50001, 0.0], [0.5002, 0.0]])
    first, number = first_of_copies(x)
    assert first.tolist() == [0, 1, 4] and number.tolist() == [0, 1, 0, 0, 2]


# --- typical


def test_one_of_each_island_is_typical():
    h, y = islands()
    assert sorted(y[label_next(h, 4)]) == [0, 1, 2, 3]
    # after two islands have a label, the others are next
    assert sorted(y[label_next(h, 2, labelled=[0, 1])]) == [2, 3]


def test_small_clusters_come_last():
    x = circle(0, 1, 2, 3, 4, 90, 91, 180, 181, 182, 183, 184, 185)
    groups = np.repeat([0, 1, 2], [5, 2, 6])
    assert groups[typical_images(pile(x, clusters=groups), 3)].tolist() == [2, 0, 1]
    # clusters by k-means: two images are too few to be asked for
    assert groups[typical_images(pile(x), 3)].tolist() == [2, 0, 2]


def test_ties_go_to_the_first():
    square = circle(0, 90, 180, 270)
    assert typical_images(pile(square, clusters=np.zeros(4, int)), 2) == [0, 1]
    assert covering_images(pile(square), 4) == [0, 2, 1, 3] or len(set(covering_images(pile(square), 4))) == 4
    assert unsure_images(pile(square, p=torch.full((4, 2), 0.5)), 2).tolist() == [0, 1]
    assert farthest_images(pile(square, taken=[0]), 2) == [2, 1]


def test_mean_distance_by_hand():
    x = circle(0, 60, 180)
    assert mean_distance(x, 1).tolist() == pytest.approx([1, 1, 3**0.5], abs=1e-3)
    assert mean_distance(x, 20).tolist() == pytest.approx([1.5, (1 + 3**0.5) / 2, (2 + 3**0.5) / 2], abs=1e-3)
    assert mean_distance(x[:1]).tolist() == [0]


def test_groups_that_are_given():
    h, y = islands()
    mine = np.where(np.arange(len(h)) < 60, y * 10, -1)  # numbers with gaps, half in no group
    chosen = label_next(h, 8, clusters=mine)
    assert (chosen < 60).all() and sorted(y[chosen[:4]]) == [0, 1, 2, 3]
    later = label_next(h, 70, clusters=mine)
    assert set(later[:60]) == set(range(60)) and (later[60:] >= 60).all()
    assert sorted(y[label_next(h, 3, labelled=[1], clusters=mine)]) == [0, 2, 3]


def test_names_of_groups():
    assert name_groups([0, 0, 2, 2], [0, 2], [1, 0]).tolist() == [1, 1, 0, 0]
    assert name_groups([0, 0, 1], [0, 1], [3, 2]).tolist() == [2, 2, -1]  # the first of equals


# --- coverage


def test_a_ball_ends_where_another_cluster_begins():
    x = circle(0, 10, 20, 80, 90, 100)
    cosine = pure_cosine(x, [0, 0, 0, 1, 1, 1], 1.0)
    assert np.rad2deg(np.arccos(cosine)) == pytest.approx(60, abs=0.1)
    halves = pure_cosine(x, [0, 0, 0, 1, 1, 1], 0.5)  # half of the balls may reach farther
    assert 60 < np.rad2deg(np.arccos(halves)) < 81


def test_the_middle_of_each_cluster_covers_it():
    x = circle(0, 10, 20, 80, 90, 100, 110)
    groups = np.array([0, 0, 0, 1, 1, 1, 1])
    assert covering_images(pile(x, clusters=groups), 2) == [3, 0]
    assert covering_images(pile(x, taken=[4], clusters=groups), 1) == [0]


def test_a_part_of_a_large_pile_stands_for_it(monkeypatch):
    h, y = islands()
    monkeypatch.setattr("ssl_nb.labelling.MOST_WITNESSES", 60)
    chosen = label_next(h, 8, method="coverage")
    assert len(set(chosen)) == 8 and len(set(y[chosen])) >= 3


# --- coreset


def test_the_farthest_are_never_more_than_twice_too_far():
    h, _ = islands()
    x = torch.nn.functional.normalize(torch.tensor(h), dim=1).float()
    chosen = farthest_images(pile(x), 8)
    gaps = torch.cdist(x, x[chosen])
    reach = gaps.min(1).values.max()
    # the chosen ones are as far apart as the rest is from them (Gonzalez 1985)
    apart = torch.cdist(x[chosen], x[chosen]).fill_diagonal_(9).min()
    assert apart >= reach - 1e-4


# --- margin


def test_margin_by_hand():
    p = torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.39, 0.21], [0.9, 0.05, 0.05], [0.34, 0.33, 0.33]])
    asked = pile(circle(0, 30, 60, 90), p=p)
    assert sorted(unsure_images(asked, 2).tolist()) == [1, 3]
    assert unsure_images(asked, 3).tolist()[-1] == 0
    assert 1 not in unsure_images(pile(asked.x, taken=[1], p=p), 3)


# --- the draws of the records


@pytest.mark.parametrize("name", [*METHODS, "balanced"])
def test_a_draw_goes_on_from_the_one_before(name):
    h, y = islands()
    p = np.random.default_rng(0).dirichlet(np.ones(GROUPS), len(h))
    few = chosen_by(name, h, y, 8, p=p)
    more = chosen_by(name, h, y, 20, few, p)
    assert set(few) <= set(more) and len(set(more)) == 20
    if name == "balanced":
        assert np.bincount(y[more]).tolist() == [5] * GROUPS


def test_no_method_sees_a_class():
    h, y = islands()
    for name in METHODS:
        assert (chosen_by(name, h, y, 8) == chosen_by(name, h, y[::-1].copy(), 8)).all()
