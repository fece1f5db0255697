"Transformations: what all of them must do, and how each becomes a setting."

import sys

import pytest
import torch
import torch.nn.functional as F

from ssl_nb import augment
from ssl_nb.augment import TRANSFORMS, Transform, Views, apply_drawn, augmentation, enlarge
from ssl_nb.core import SslNbError
from ssl_nb.settings import Share, Strength, all_params, peek, resolve, stage_params, strengths_of

EACH = [
    augment.Rotation(30.0, p=0.5),
    augment.Crop(0.5, p=0.5),
    augment.Translation(0.2, p=0.5),
    augment.Scale(0.3, p=0.5),
    augment.Shear(20.0, p=0.5),
    augment.Flip(p=0.5),
    augment.VerticalFlip(p=0.5),
    augment.Brightness(0.5, p=0.5),
    augment.Contrast(0.5, p=0.5),
    augment.Gamma(1.0, p=0.5),
    augment.Blur(2.0, p=0.5),
    augment.Cutout(0.5, p=0.5),
    augment.Elastic(0.1, p=0.5),
    augment.Noise(0.3, p=0.5),
    augment.Saturation(0.8, p=0.5),
    augment.Hue(0.3, p=0.5),
    augment.Grey(p=0.5),
    augment.ColourJitter(0.8, 0.2, p=0.5),
    augment.Solarize(p=0.5),
    augment.Posterize(2, p=0.5),
    augment.Sobel(p=0.5),
    augment.ROICrop(0.5, p=0.5),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def many():
    torch.manual_seed(0)
    return 0.02 + 0.97 * torch.rand(200, 3, 28, 28)


def test_every_transformation_is_looked_at():
    made = {type(TRANSFORMS[name](0.5)) for name in TRANSFORMS}
    assert made == {type(t) for t in EACH}


@pytest.mark.parametrize("t", EACH, ids=lambda t: type(t).__name__)
def test_both_branches_occur_and_off_means_untouched(t, many):
    numbers = t.draw_on(200, (3, 28, 28), seeded())
    out = apply_drawn(many, [(t, numbers)])
    same = (out - many).abs().amax((1, 2, 3)) < 1e-4
    on = numbers["on"]
    assert same[~on].all()
    assert same[on].float().mean() < 0.1  # a tiny draw may change next to nothing
    assert 0.35 < on.float().mean() < 0.65
    assert 0 <= out.min() and out.max() <= 1.00001
    assert t(torch.rand(4, 13, 9, 11)).shape == (4, 13, 9, 11)


def computes_in(dtype):
    "Whether this torch samples and convolves in it on a CPU; older ones cannot in float16"
    x = torch.ones(1, 1, 4, 4, dtype=dtype)
    try:
        F.grid_sample(x, torch.zeros(1, 4, 4, 2, dtype=dtype), align_corners=False)
        return len(F.conv2d(x, x)) == 1
    except RuntimeError:
        return False


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("t", EACH, ids=lambda t: type(t).__name__)
def test_half_precision_gives_nearly_the_same(t, dtype, many):
    if not computes_in(dtype):
        pytest.skip(f"torch {torch.__version__} does not compute in {dtype} on a CPU")
    numbers = t.draw_on(200, (3, 28, 28), seeded())
    out = apply_drawn(many, [(t, numbers)])
    half = apply_drawn(many.to(dtype), [(t, numbers)])
    assert half.dtype == dtype
    assert (half.float() - out).abs().mean() < 0.02
    assert 0 <= half.min() and half.max() <= 1


def test_views_of_a_part_are_those_of_the_whole():
    x = torch.rand(10, 1, 28, 28, generator=seeded())
    views = Views([None, augmentation(), augment.Flip()])
    whole, _ = views(x, gen=seeded())
    part, ids = views(x, gen=seeded(), rows=slice(2, 5))
    right = whole.view(3, 10, *x.shape[1:])[:, 2:5].flatten(0, 1)
    assert (part - right).abs().max() < 1e-5
    assert ids.tolist() == [2, 3, 4] * 3
    turned = Views(lambda x: x.flip(-1))(x, rows=slice(2, 5))[0]
    assert torch.equal(turned[:3], x[2:5].flip(-1))


def test_enlarged_sets_are_fixed():
    x = (torch.rand(100, 1, 8, 8, generator=seeded()) * 255).byte()
    large, source = enlarge(x, augmentation(), 10)
    assert (len(large), large.dtype) == (1100, torch.uint8)
    assert torch.equal(large[:100], x)
    assert source.bincount().tolist() == [11] * 100
    assert torch.equal(enlarge(x, augmentation(), 10)[0], large)
    assert torch.equal(enlarge(large[:3], augmentation(), 0)[0], large[:3])
    assert (large[100:200] != large[:100]).any() and (large[100:200] != large[200:300]).any()


ORDER = """roi crop rotation translation scale shear flip flip_vertical elastic brightness contrast gamma saturation hue
colour no_colour solarize posterize blur noise sobel cutout""".split()


def test_one_line_makes_a_setting_in_order():
    assert list(all_params(augmentation)) == ["reverse", *ORDER]
    assert peek("augment:augmentation") == all_params(augmentation)
    for stage in ("pretrain", "finetune", "semi", "deepcluster"):
        assert set(ORDER) <= stage_params(stage).keys()


def test_reading_the_settings_imports_no_torch():
    import subprocess

    read = "import sys; from ssl_nb.settings import stage_params; stage_params('pretrain')['cutout']"
    code = f"{read}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_strengths_make_steps():
    names = lambda **kw: [type(t).__name__ for t in augmentation(**kw).transforms]
    assert names() == ["Crop", "Rotation", "Translation", "Brightness", "Contrast", "Noise"]
    assert names(rotation=0, noise=0) == ["Crop", "Translation", "Brightness", "Contrast"]
    assert names(rotation=0, noise=0, reverse=True) == names(rotation=0, noise=0)[::-1]
    off = {name: about.off for name, about in strengths_of(TRANSFORMS).items()}
    assert names(**off) == []
    step = augmentation(**off | dict(blur=1.0)).transforms[0]
    assert (step.sigma, step.p) == (1.0, 0.5)
    with pytest.raises(SslNbError, match="did you mean 'rotation'"):
        augmentation(rotaton=10)


def test_a_transformation_of_ones_own_is_a_setting_of_every_stage():
    from ssl_nb.finetuning import finetune
    from ssl_nb.pretraining import pretrain

    @TRANSFORMS.register("negative", Strength(0.25, place=2.5))
    class Negative(Transform):
        def __init__(
            self,
            p: Share,  # Probability of a negative
        ):
            self.p = p

        def draw(self, n, shape, gen):
            return {}

        def apply(self, x):
            return 1 - x

    try:
        assert list(all_params(augmentation))[2:5] == ["crop", "negative", "rotation"]
        for stage in (pretrain, finetune):
            p = all_params(stage)["negative"]
            assert (p.kind, p.default, p.range(), p.help) == (
                "float",
                0.25,
                "0 to 1",
                "Probability of a negative",
            )
        assert resolve("pretrain", "digits", negative="0.5")["negative"] == 0.5
        with pytest.raises(SslNbError, match="negative = 2 is out of range"):
            resolve("pretrain", "digits", negative="2")
        assert [type(t).__name__ for t in augmentation(negative=0.5).transforms][:2] == ["Crop", "Negative"]
    finally:
        del TRANSFORMS["negative"]
