"Calls that the pages make and that a type checker must let through; read by mypy, never run."

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

import ssl_nb
from ssl_nb.augment import Compose, Movement, Transform, Views, augmentation, matrix, uniform
from ssl_nb.data import ImageData, Images, to_images
from ssl_nb.encoders import Encoder
from ssl_nb.runs import read_record

# the first page
images = ssl_nb.load_data('digits', image_size=16)
run = ssl_nb.pretrain(images, preset='digits', epochs=5, out='runs/taste', quiet=True)
h, h_test = run.features(images.train), run.features(images.test)
few = ssl_nb.few_labels(images.train.y, 10)
probe = ssl_nb.linear_probe(h[few], images.train.y[few])
accuracy: float = probe.score(h_test, images.test.y)
clusters = ssl_nb.cluster(h, k=10)
encoder: nn.Module = ssl_nb.load_encoder('runs/taste')
print(h.shape, clusters.labels_[:10], accuracy)

# images: a name, a folder as text or path, an array, a tensor, a pair with labels, a data set of ours or of torch's
x, y = images.train.x, images.train.y


class Photos(Dataset[tuple[np.ndarray, int]]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        return np.zeros((16, 16), np.uint8), i % 2


for source in ('mnist', 'my/folder'):
    ssl_nb.load_data(source)
for data in (
    ssl_nb.load_data(Path('my/folder'), 32, 'skip'),
    ssl_nb.load_data(x.numpy()),
    ssl_nb.load_data((x, y)),
    ssl_nb.load_data(Photos()),
):
    print(data, len(data.train), data.test.y.bincount(), data.classes[0])
for pile in (x, images.train, images, Photos()):
    ssl_nb.pretrain(pile, epochs=1)
    ssl_nb.pretrain(pile, epochs=None, minutes=0.5)
print(
    ssl_nb.inspect_data('my/folder').plot(), ssl_nb.inspect_data(Path('my/folder'), None, 'skip', quiet=False)
)
mine: Images = to_images(np.zeros((8, 12, 12)), [0, 1] * 4, ['left', 'right'])
ImageData('mine', mine, test=None)
ssl_nb.show_images(mine.x, titles=['a'] * 8, ncols=4)

# what may be left out may be None; whole numbers are numbers; strengths of the augmentation are settings, too
run = ssl_nb.pretrain(
    'mnist',
    None,
    settings=Path('my.ini'),
    n_images=None,
    encoder='resnet_small',
    width=None,
    lr=1,
    weight_decay=None,
    temperature=1,
    out=Path('runs') / 'mnist',
    resume=True,
    rotation=15,
    flip=0.5,
    reverse=True,
)
ssl_nb.pretrain(
    encoder='runs/mnist',
    objective='barlow_twins',
    projector='none',
    optimizer='lars',
    cbs=[],
    out=None,
    device='cuda:1',
)
ssl_nb.pretrain(encoder=Path('runs/mnist'), precision='bf16', compile=True)

# stages take a run or its folder
for where in ('runs/mnist', Path('runs/mnist'), run):
    ssl_nb.probe(where, labels_per_class=None, out=None)
ssl_nb.probe(run, Path('my/folder'), labels_per_class=10, seed=1, force=True)
ssl_nb.finetune('runs/mnist', labels_per_class=10, mix='cutmix', stop='folds', first_lr=0, crop=0.6)
ssl_nb.semi(run.path, method='fixmatch', balance=True)
ssl_nb.label_curve(run, sizes='1,10,all', draws=1)
ssl_nb.deepcluster(x, num_iterations=2, out='runs/loop')
ssl_nb.report(run, out=None, data=images)
ssl_nb.report(Path('runs/mnist'), 'page.html')
scores = ssl_nb.evaluate('runs/mnist', data=None, out=Path('pictures'))
print(scores['accuracy'], ssl_nb.evaluate_clusters(run)['sizes'], run.history[-1]['loss'], run.encoder.size)
for row in ssl_nb.predict(ssl_nb.shipped_model('mnist'), 'scan.png', top_k=1):
    print(row['class'])
ssl_nb.predict(run, x, invert=True, bad_files='skip')
names, labels, vectors = ssl_nb.embed(run, 'my/folder', out='table.npz')
print(ssl_nb.to_onnx('runs/mnist', part='encoder')['path'], read_record('mnist-linear')['metrics'])

# features
again = ssl_nb.load_encoder(Path('runs/mnist'), device=torch.device('cpu'))
h = ssl_nb.features(again, x, batch_size=64)
h = ssl_nb.features(ssl_nb.load_run('runs/mnist').encoder, 'my/folder')
ssl_nb.linear_probe(h.numpy(), y.numpy(), Cs=(0.1, 1)).predict_proba(h)
print(
    ssl_nb.knn_predict(h, y, h_test, n_classes=None).shape,
    ssl_nb.kmeans(h.numpy(), 10, backend='torch').centers_.shape,
)
print(
    ssl_nb.hungarian_accuracy(y, clusters.labels_),
    ssl_nb.clustering_scores(y.tolist(), clusters.labels_)['nmi'],
)
print(ssl_nb.spread_labels(h, few, y[few], n_classes=10, balance=True).argmax(1))
print(ssl_nb.label_next(h, 10).shape, ssl_nb.label_next(h, 5, labelled=few, method='coverage')[:2])
print(ssl_nb.nt_xent(torch.randn(8, 4), torch.arange(4).repeat(2), temperature=1).item())


# a network and a transformation of one's own
class Patches(nn.Module):
    def __init__(self, dim: int = 64) -> None:
        super().__init__()
        self.look = nn.Conv2d(1, dim, 4, stride=4)

    def forward(self, x: torch.Tensor) -> Any:
        return self.look(x).mean((2, 3))


class Pen(Transform):
    def __init__(self, most: float, p: float = 1.0) -> None:
        self.most, self.p = most, p

    def draw(self, n: int, shape: tuple[int, ...], gen: torch.Generator) -> dict[str, torch.Tensor]:
        return dict(amount=uniform(n, 0, self.most, gen))

    def apply(self, x: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
        return x * amount.view(-1, 1, 1, 1)


class Squeeze(Movement):
    def draw(self, n: int, shape: tuple[int, ...], gen: torch.Generator) -> dict[str, torch.Tensor]:
        return dict(factor=uniform(n, 0.5, 2, gen))

    def matrix(self, shape: tuple[int, ...], factor: torch.Tensor) -> torch.Tensor:
        return matrix(a=1 / factor, d=factor)


settings: dict[str, Any] = dict(epochs=3, batch_size=64, device='cpu', quiet=True)
both = Compose(augmentation(crop=0.6, rotation=15), Pen(0.8), Squeeze())
run = ssl_nb.pretrain(x, encoder=Patches(), transform=both, out=Path('own'), **settings)
ssl_nb.pretrain(x, transform=lambda v: v + 0.1 * torch.randn_like(v), **settings)
ssl_nb.pretrain(x, encoder=ssl_nb.load_encoder('own', body=Patches()), **settings)
ssl_nb.pretrain(
    x,
    encoder=Encoder(Patches(), channels=3, size=16, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    **settings,
)
views, ids = Views(both)(x[:10], gen=torch.Generator().manual_seed(0))

# in a pipeline
features = ssl_nb.SimCLRFeatures(
    'digits',
    encoder=Patches(),
    epochs=3,
    augmentation=both,
    options=dict(optimizer='lars'),
    image_shape=(8, 8),
    out=None,
    random_state=np.random.RandomState(0),
)
print(
    features.fit(x.numpy(), y.numpy()).transform(x.numpy()).shape,
    ssl_nb.SimCLRFeatures(random_state=None, verbose=True).fit(x).history_,
)

try:
    ssl_nb.load_data('minst')
except ssl_nb.SslNbError as error:
    print(error, ssl_nb.__version__)
