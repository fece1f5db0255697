"""Two views of a batch, in grey or in colour.

28x28 in grey with crop, flip, brightness and contrast, or 32x32 in colour with SimCLR's whole distortion.

    python benchmarks/views.py torchvision     # transforms.v2, image by image, as a DataLoader's worker runs them
    python benchmarks/views.py kornia          # batch by batch; needs kornia installed
    python benchmarks/views.py --colour torchvision

All arms have the same strengths, start from uint8 and end with one float batch of both views, on one device in one
process. A round is a few batches, so that what one arm left in the caches does not count for the other.
"""

import torch

from common import alternate, parser_of, read, write
from ssl_nb.augment import Brightness, ColourJitter, Compose, Contrast, Crop, Flip, Grey, Views

AREA, CHANGE, TURN, NO_COLOUR, BATCHES = 0.5, 0.4, 0.1, 0.2, 5


def times(call):
    "A round: several batches"

    def round_():
        for _ in range(BATCHES):
            call()

    return round_


def ours(x, colour):
    "Both views by ssl_nb"
    pixels = (
        (ColourJitter(CHANGE, TURN, p=0.8), Grey(p=NO_COLOUR))
        if colour
        else (Brightness(CHANGE), Contrast(CHANGE))
    )
    views, gen = Views(Compose(Crop(AREA), Flip(0.5), *pixels)), torch.Generator().manual_seed(0)
    return lambda: views(x, gen=gen)[0]


def torchvision_arm(x, colour):
    "Both views by torchvision, image by image"
    import torchvision
    from torchvision.transforms import v2

    jitter = v2.ColorJitter(CHANGE, CHANGE, *((CHANGE, TURN) if colour else ()))
    pixels = (v2.RandomApply([jitter], p=0.8), v2.RandomGrayscale(NO_COLOUR)) if colour else (jitter,)
    crop = v2.RandomResizedCrop(x.shape[-1], scale=(AREA, 1.0), antialias=False)
    t = v2.Compose([crop, v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True), *pixels])
    return lambda: torch.stack([t(image) for _ in range(2) for image in x]), torchvision.__version__


def kornia_arm(x, colour):
    "Both views by kornia, batch by batch"
    import kornia
    from kornia import augmentation as K

    side = x.shape[-1]
    span = (1 - CHANGE, 1 + CHANGE)
    pixels = (
        (K.ColorJitter(span, span, span, (-TURN, TURN), p=0.8), K.RandomGrayscale(p=NO_COLOUR))
        if colour
        else (K.RandomBrightness(span, p=1.0), K.RandomContrast(span, p=1.0))
    )
    t = K.AugmentationSequential(
        K.RandomResizedCrop((side, side), scale=(AREA, 1.0), p=1.0),
        K.RandomHorizontalFlip(p=0.5),
        *pixels,
        data_keys=["input"],
    )
    return lambda: torch.cat([t(x.float() / 255) for _ in range(2)]), kornia.__version__


def main():
    "Measure and write the record"
    arms = dict(torchvision=torchvision_arm, kornia=kornia_arm)
    parser = parser_of(__doc__.splitlines()[0], list(arms))
    parser.add_argument(
        "--colour",
        action="store_true",
        help="colour images of 32x32 with SimCLR's distortion of strength 1/2",
    )
    args = read(parser)
    kind, shape = ("colour", (3, 32, 32)) if args.colour else ("views", (1, 28, 28))
    x = torch.randint(
        0, 256, (args.images, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    ).to(args.device)
    mine, (theirs, version) = ours(x, args.colour), arms[args.peer](x, args.colour)
    a, b = mine(), theirs()
    assert a.shape == b.shape == (2 * args.images, *shape) and a.dtype == b.dtype == torch.float32
    with torch.no_grad():
        measured = alternate(times(mine), times(theirs), args.rounds)
    settings = dict(
        script="views.py --colour" if args.colour else "views.py",
        images=args.images,
        batches=BATCHES,
        side=shape[-1],
        channels=shape[0],
        views=2,
        crop=AREA,
        flip=0.5,
        brightness=CHANGE,
        contrast=CHANGE,
    ) | (dict(saturation=CHANGE, hue=TURN, no_colour=NO_COLOUR) if args.colour else {})
    write(f"bench-{kind}-{args.peer}", args, *measured, version, settings)


if __name__ == "__main__":
    main()
