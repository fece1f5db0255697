"""Two views of a batch of 28x28 images: crop, flip, brightness and contrast.

    python benchmarks/views.py torchvision     # transforms.v2, image by image, as a DataLoader's worker runs them
    python benchmarks/views.py kornia          # batch by batch; needs kornia installed

All arms have the same strengths, start from uint8 and end with one float batch of both views, on the CPU in one process. A round is a few batches, so
that what one arm left in the caches does not count for the other.
"""
import torch

from common import alternate, arguments, write
from ssl_nb.augment import Brightness, Compose, Contrast, Crop, Flip, Views

AREA, CHANGE, BATCHES = .5, .4, 5


def times(call):
    "A round: several batches"
    def round_():
        for _ in range(BATCHES): call()
    return round_


def ours(x):
    "Both views by ssl_nb"
    views, gen = Views(Compose(Crop(AREA), Flip(.5), Brightness(CHANGE), Contrast(CHANGE))), torch.Generator().manual_seed(0)
    return lambda: views(x, gen=gen)[0]


def torchvision_arm(x):
    "Both views by torchvision, image by image"
    import torchvision
    from torchvision.transforms import v2
    jitter = v2.ColorJitter(brightness=CHANGE, contrast=CHANGE)
    crop = v2.RandomResizedCrop(x.shape[-1], scale=(AREA, 1.), antialias=False)
    t = v2.Compose([crop, v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True), jitter])
    return lambda: torch.stack([t(image) for _ in range(2) for image in x]), torchvision.__version__


def kornia_arm(x):
    "Both views by kornia, batch by batch"
    import kornia
    from kornia import augmentation as K
    side = x.shape[-1]
    t = K.AugmentationSequential(K.RandomResizedCrop((side, side), scale=(AREA, 1.), p=1.), K.RandomHorizontalFlip(p=.5),
                                 K.RandomBrightness((1-CHANGE, 1+CHANGE), p=1.), K.RandomContrast((1-CHANGE, 1+CHANGE), p=1.), data_keys=["input"])
    return lambda: torch.cat([t(x.float() / 255) for _ in range(2)]), kornia.__version__


def main():
    "Measure and write the record"
    arms = dict(torchvision=torchvision_arm, kornia=kornia_arm)
    args = arguments(__doc__.splitlines()[0], list(arms))
    x = torch.randint(0, 256, (args.images, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mine, (theirs, version) = ours(x), arms[args.peer](x)
    a, b = mine(), theirs()
    assert a.shape == b.shape == (2 * args.images, 1, 28, 28) and a.dtype == b.dtype == torch.float32
    with torch.no_grad(): measured = alternate(times(mine), times(theirs), args.rounds)
    settings = dict(script="views.py", images=args.images, batches=BATCHES, side=28, views=2, crop=AREA, flip=.5, brightness=CHANGE, contrast=CHANGE)
    write(f"bench-views-{args.peer}", args, *measured, version, settings)


if __name__ == "__main__": main()
