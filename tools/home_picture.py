"""Draw the picture of the first page, nbs/images/home.png, from a recorded encoder of Fashion-MNIST (half a minute).

python tools/home_picture.py
"""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.patches import FancyArrowPatch

import ssl_nb
from figures import small
from ssl_nb.augment import Views, augmentation
from ssl_nb.core import class_colour, figure_style
from ssl_nb.encoders import features
from ssl_nb.figures import tsne
from ssl_nb.runs import results_dir
from ssl_nb.settings import all_params, resolve

TARGET = Path(__file__).parent.parent / "nbs" / "images" / "home.png"
N_IMAGES = 2000
WIDTH, HEIGHT, DPI = 7.6, 2.4, 200  # inches on the page, and pixels to an inch


def tiles(fig, box, images, colours=None):
    """Draw `images`, rows of (H,W) arrays, as a grid that fills the width of `box` from its top

    `box` is (left, bottom, width, height) in inches."""
    left, bottom, width, height = box
    step = width / len(images[0])
    for r, row in enumerate(images):
        for c, image in enumerate(row):
            place = [left + c * step, bottom + height - (r + 1) * step, 0.88 * step, 0.88 * step]
            ax = fig.add_axes(
                [place[0] / WIDTH, place[1] / HEIGHT, place[2] / WIDTH, place[3] / HEIGHT],
                xticks=[],
                yticks=[],
            )
            ax.imshow(image, vmin=0, vmax=255)
            ax.spines[:].set_visible(colours is not None)
            if colours is not None:
                ax.spines[:].set(color=colours[r], linewidth=2)


def say(fig, x, title, below):
    "Two lines in the middle of `x` inches above a part of the picture"
    fig.text(x / WIDTH, 0.945, title, ha="center", va="center", fontsize=13, weight="bold")
    fig.text(x / WIDTH, 0.84, below, ha="center", va="center", fontsize=10.5, color="#444")


def arrow(fig, x):
    "An arrow to the right that begins at `x` inches"
    ends = [(x / WIDTH, 0.42), ((x + 0.24) / WIDTH, 0.42)]
    fig.add_artist(
        FancyArrowPatch(
            *ends, transform=fig.transFigure, arrowstyle="-|>", mutation_scale=14, lw=2, color="#555"
        )
    )


def main():
    "Train, draw and write"
    figure_style()
    x = ssl_nb.load_data("fashion_mnist").test.x[:N_IMAGES]
    settings = resolve("pretrain", "fashion_mnist")
    augment = augmentation(**{k: settings[k] for k in all_params(augmentation)})
    h = features(ssl_nb.load_encoder(results_dir() / "encoders" / "fashion_mnist-seed-0.safetensors"), x)
    views = (
        (255 * Views(augment, 2)(x[:5], gen=torch.Generator().manual_seed(5))[0])
        .clamp(0, 255)
        .view(2, 5, *x.shape[2:])
    )
    groups = ssl_nb.cluster(h, k=10, seed=0).labels_
    xy, _ = tsne(h)
    order = np.argsort([np.median(xy[groups == g, 0]) for g in range(10)])[
        [0, 2, 4, 6, 8]
    ]  # five of the ten, from all over the map
    fig = plt.figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="none")
    say(fig, 0.9, "images", "no labels")
    tiles(fig, (0.08, 0.08, 1.64, 1.75), x[:25, 0].view(5, 5, *x.shape[2:]).numpy())
    arrow(fig, 1.74)
    say(fig, 2.4, "views", "each, changed twice")
    tiles(fig, (2.06, 0.08, 0.66, 1.75), views.transpose(0, 1).numpy())
    arrow(fig, 2.79)
    say(fig, 4.17, "representation", "similar images lie close")
    ax = fig.add_axes([3.1 / WIDTH, 0.02, 2.15 / WIDTH, 0.77], xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.scatter(*xy.T, s=5, lw=0, c=[class_colour(g) for g in groups])
    arrow(fig, 5.27)
    say(fig, 6.55, "groups, classes", "with no or few labels")
    tiles(
        fig,
        (5.6, 0.08, 1.94, 1.75),
        [x[groups == g][:6, 0].numpy() for g in order],
        [class_colour(g) for g in order],
    )
    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=DPI)
    TARGET.write_bytes(small(png.getvalue()))


if __name__ == "__main__":
    main()
