"Whatever takes features takes any numbers of the right shape, and tells in a line what is none."

import numpy as np
import pytest
import torch

from ssl_nb.core import SslNbError
from ssl_nb.deepclustering import cluster, kmeans
from ssl_nb.encoders import directions, knn_predict, nearest_neighbours
from ssl_nb.figures import tsne
from ssl_nb.label_page import Pile, fine_groups, flat, near_pairs, neighbours
from ssl_nb.labelling import METHODS, label_next
from ssl_nb.probing import linear_probe
from ssl_nb.semisupervised import spread_labels, whiten
from ssl_nb.suspects import near_duplicates, outliers, wrong_labels

H = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
Y = np.array([0, 1] * 20)
X = torch.randint(0, 256, (40, 1, 8, 8), dtype=torch.uint8)
TAKES = dict(
    wrong_labels=lambda h: wrong_labels(h, Y),
    near_duplicates=lambda h: near_duplicates(h, X),
    outliers=outliers,
    spread_labels=lambda h: spread_labels(h, [0, 1], [0, 1], 2),
    whiten=whiten,
    kmeans=lambda h: kmeans(h, 3, 1),
    cluster=lambda h: cluster(h, k=3),
    linear_probe=lambda h: linear_probe(h, Y),
    knn_predict=lambda h: knn_predict(h, Y, h),
    nearest_neighbours=lambda h: nearest_neighbours(h, 3),
    tsne=tsne,
    fine_groups=fine_groups,
    neighbours=neighbours,
    near_pairs=near_pairs,
    flat=flat,
    page=lambda h: Pile([str(i) for i in range(40)], X, h),
)
P = torch.full((40, 2), 0.5)
TAKES |= {name: lambda h, name=name: label_next(h, 5, [0, 1], name, p=P) for name in METHODS}
NO_FEATURES = dict(
    nan=H * float("nan"),
    infinite=torch.where(H > 1, torch.inf, H),
    flat=H[:, 0],
    no_columns=H[:, :0],
    deep=H[:, :, None].expand(40, 8, 2),
    complex=H.to(torch.complex64),
    text=np.full((40, 8), "a"),
    objects=np.full((40, 8), None),
)
FEATURES = dict(
    huge=H * 1e37, tiny=H * 1e-30, double=H.double(), half=H.half(), lists=H.tolist(), one=H[:, :1]
)


@pytest.mark.parametrize("kind", NO_FEATURES)
@pytest.mark.parametrize("name", TAKES)
def test_what_is_no_features_is_told(name, kind):
    with pytest.raises(SslNbError, match="features should be|NaN or infinite"):
        TAKES[name](NO_FEATURES[kind])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("name", [name for name in TAKES if name not in ("tsne", "flat")])
def test_features_of_any_type_and_size_are_taken(name, kind):
    TAKES[name](FEATURES[kind])


def test_the_length_of_features_does_not_count():
    there = directions(H)
    for scale in (2.0**100, 2.0**-100):
        assert torch.equal(directions(H * scale), there)


@pytest.mark.parametrize("h", [H * 0, H * 0 + 3, H[:, :1]], ids=["zeros", "equal", "one number"])
def test_a_map_of_features_that_are_the_same(h):
    for xy in (tsne(h)[0], flat(h)):
        assert xy.shape == (40, 2) and np.isfinite(xy).all()
