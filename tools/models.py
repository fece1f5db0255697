"""Write the small classifiers that come with the package, with their cards.

They are made from the kept encoders and the records in results/.

    SSL_NB_DATA=... python tools/models.py

The encoder of a record's first seed, with the linear probe on all training labels that the record scored; everything
in float16.
"""

import sys

from ssl_nb.augment import augmentation
from ssl_nb.classifier import Classifier, save_classifier
from ssl_nb.core import SslNbError, write_text
from ssl_nb.data import load_data
from ssl_nb.encoders import features
from ssl_nb.probing import ARMS, linear_probe
from ssl_nb.runs import percent, read_record, results_dir
from ssl_nb.settings import all_params
from ssl_nb.stages import load_encoder

MODELS = dict(mnist="mnist-linear", fashion_mnist="fashion-linear")
LIMITS = dict(
    mnist="It knows single handwritten digits, light on dark, centred and of about one size, as in MNIST. "
    "It does not find digits in a picture, and it names a digit for anything that it is shown. "
    "`--invert` is for dark ink on paper.",
    fashion_mnist="It knows the ten kinds of clothing of Fashion-MNIST: product pictures on black, one piece each. "
    "Shirts, T-shirts, pullovers and coats are often taken for one another. "
    "It names a class for anything that it is shown.",
)


def card(name, record):
    "A model's card, all numbers of which stand in its record"
    s, m, data = record["settings"]["pretrain"], record["metrics"], record["data"]
    whole = dict(crop=1, roi=1)  # nothing is cut off
    views = ", ".join(f"{k} {s[k]:g}" for k in all_params(augmentation) if s.get(k) and s[k] != whole.get(k))
    recipe = (
        f"{s['epochs']} epochs, batch {s['batch_size']}, temperature {s['temperature']:g}; views: {views}"
    )
    rows = "\n".join(f"| {what} | {percent(m[k])} |" for what, k in ARMS.items() if k in m)
    again = (
        f"`{record['command']}` does it again; {record['seconds'][0] / 60:.0f} minutes on {record['device']}. "
        "`tools/models.py` fits the head and writes the file."
    )
    encoder = f"encoder `{s['encoder']}`, pretrained by SimCLR without labels"
    images = f"{data['n']:,} training images of {data['name']} (checksum {data['sha256'][:12]})"
    return f"""# {name}

A small classifier for {data['name']}: {encoder}, and a linear head on its representation.

    ssl_nb predict --model {name} image.png

- **Data**: {images}. The head was fitted with all their labels.
- **Recipe**: preset `{record['preset']}`, seed 0 of record `{record['name']}`: {recipe}.
  {again}
- **File**: float16, safetensors (no pickle); architecture, pixel statistics and class names stand in its metadata.

| on the {record['extra']['n_test']:,} test images, {len(record['seeds'])} seeds | accuracy |
|---|---|
{rows}

**Limits.** {LIMITS[name]}
"""


def main():
    "Both models and their cards"
    home = results_dir() / "models"
    home.mkdir(exist_ok=True)
    for name, record in ((n, read_record(r)) for n, r in MODELS.items()):
        data = load_data(name)
        encoder = load_encoder(results_dir() / "encoders" / f"{name}-seed-0.safetensors")
        if data.sha256 != record["data"]["sha256"]:
            raise SslNbError(f"{name} here is not the data of record {record['name']}")
        probe = linear_probe(features(encoder, data.train), data.train.y, seed=0)
        save_classifier(
            Classifier(encoder, probe.as_linear(), data.classes), home / f"{name}.safetensors", half=True
        )
        write_text(home / f"{name}.md", card(name, record))
        print(home / f"{name}.safetensors", (home / f"{name}.safetensors").stat().st_size)


if __name__ == "__main__":
    try:
        main()
    except SslNbError as e:
        sys.exit(f"models.py: {e}")
