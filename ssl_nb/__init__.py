"""Self-supervised learning on small images: SimCLR, few-label probes and clusters, explained line by line

Modules:

- `ssl_nb.augment`: Change a whole batch at random, at once, on its device, with new random numbers for every image
- `ssl_nb.borrowing`: A network that others have trained in place of one's own: how, when it wins, and when it loses
- `ssl_nb.classifier`: Train a classifier on labels, save it, score it, and ask it for the class of a file
- `ssl_nb.cli`: Run every stage as `ssl_nb COMMAND`, with every setting as a flag
- `ssl_nb.core`: Errors, files, devices, a progress bar and one figure style: the base of every other chapter
- `ssl_nb.data`: Turn a name, an array or a folder into one uint8 tensor that is split once and never leaves the device
- `ssl_nb.deepclustering`: k-means, how to score clusters whose numbers mean nothing, and the loop that learns from its own clusters
- `ssl_nb.distilling`: A small network learns what a large one sees, from images without labels
- `ssl_nb.distributed`: Share one training among several processes, with the result of one; tested on the CPUs of one machine
- `ssl_nb.doctor`: What a pile of images says about its own settings, measured against labels where they are known
- `ssl_nb.encoders`: Networks by name or of your own, their features, and their weights in files
- `ssl_nb.estimator`: Use pretraining as a scikit-learn transformer: in pipelines, cross-validation and grid searches
- `ssl_nb.experiments`: Repeat a published experiment, or declare one of your own
- `ssl_nb.exporting`: Write features as a table with file names, and the network as ONNX
- `ssl_nb.figures`: Confusion, calibration, mistakes, maps and neighbours: pictures of what a classifier or a representation does
- `ssl_nb.finetuning`: Train a pretrained encoder further on few labels, and choose how with the labels there are
- `ssl_nb.folders`: Find what is wrong in a folder before training: counts, sizes, broken files, copies on both sides of a split
- `ssl_nb.frozen`: A network of timm as an encoder, and its features on the disk, computed once
- `ssl_nb.grids`: The settings that `ssl_nb tune` compares
- `ssl_nb.hub`: An encoder or a classifier in a repository of Hugging Face's hub, with its card, and back from there
- `ssl_nb.hub_data`: A data set of Hugging Face's `datasets`, from its hub or from a folder, as images for every stage
- `ssl_nb.label_files`: Use a `labels.csv` from anywhere with a run: match its names to images, merge two people's labels, and score by them
- `ssl_nb.label_page`: Look at a pile of images, name its groups, label images and mend labels, all on one page
- `ssl_nb.labelling`: Choose which images of a pile to label first: five methods, compared with a random draw
- `ssl_nb.objectives`: What a network can learn from views without labels: contrast, prediction, clusters and spread, each with what keeps it from collapsing
- `ssl_nb.pretraining`: SimCLR on your images: encoder, projector, objective, and a run folder that can be interrupted
- `ssl_nb.probing`: Measure what features are worth: linear probe, neighbours and baselines with the same labels
- `ssl_nb.protocol`: Five ways to misjudge a result, each done on purpose and measured
- `ssl_nb.records`: What is run for each published number
- `ssl_nb.reporting`: Which claims of five write-ups hold, and how to turn a run of yours into one page
- `ssl_nb.runs`: One run, one folder: settings, metrics, resuming, records, and where each number comes from
- `ssl_nb.scan`: Heads that agree on neighbours, their consensus, and how many clusters there are
- `ssl_nb.semisupervised`: Train with few labels and all unlabelled images: label spreading, clusters, FixMatch, and accuracy by label count
- `ssl_nb.settings`: Every parameter of a stage is a flag, a key in a settings file and a line in the record; registries list what can be chosen by name
- `ssl_nb.simclr_loss`: NT-Xent from its definition to five lines, checked against the paper, and what its value means
- `ssl_nb.sorting`: Put your files into a folder for each class or group, with names kept, nothing overwritten, and a table to undo it
- `ssl_nb.stages`: A finished run as an object, and how a later stage reads it and writes a folder of its own
- `ssl_nb.suspects`: Find likely wrong labels, near-duplicates and outliers before you trust a pile of images
- `ssl_nb.training`: Train any network with a schedule, a history, checkpoints, a bar and a guard against divergence
- `ssl_nb.tuning`: Settings for a pile that nobody has labelled: short runs, compared by what they say themselves
- `ssl_nb.writeups`: Five write-ups, what they claim, and what we measured"""

__version__ = "0.1.0"

import importlib
from typing import TYPE_CHECKING

# Where each name of `ssl_nb` is defined; a module is imported when one of its names is first asked for.
_HOMES = {
    "borrowing": "borrow borrowed_encoder compare_spaces",
    "classifier": "evaluate predict",
    "core": "SslNbError",
    "data": "few_labels load_data show_images",
    "deepclustering": "cluster clustering_scores deepcluster hungarian_accuracy kmeans",
    "distilling": "distil",
    "encoders": "features knn_predict",
    "estimator": "SimCLRFeatures",
    "exporting": "embed to_onnx",
    "finetuning": "finetune",
    "folders": "inspect_data",
    "hub": "from_hub pull_from_hub push_to_hub",
    "label_files": "merge_labels",
    "labelling": "label_next",
    "label_page": "Labeller labelling_page",
    "pretraining": "pretrain",
    "probing": "linear_probe probe",
    "reporting": "report",
    "runs": "shipped_model",
    "scan": "cluster_run evaluate_clusters",
    "semisupervised": "label_curve semi spread_labels",
    "simclr_loss": "nt_xent",
    "sorting": "sort_files undo_sort",
    "stages": "load_encoder load_run",
    "suspects": "near_duplicates outliers wrong_labels",
    "tuning": "tune",
}
API = {name: module for module, names in _HOMES.items() for name in names.split()}

if TYPE_CHECKING:  # what a type checker sees of API; a test holds the two in step
    from ssl_nb.borrowing import borrow as borrow, borrowed_encoder as borrowed_encoder
    from ssl_nb.borrowing import compare_spaces as compare_spaces
    from ssl_nb.classifier import evaluate as evaluate, predict as predict
    from ssl_nb.core import SslNbError as SslNbError
    from ssl_nb.data import few_labels as few_labels, load_data as load_data
    from ssl_nb.data import show_images as show_images
    from ssl_nb.deepclustering import cluster as cluster, clustering_scores as clustering_scores
    from ssl_nb.deepclustering import deepcluster as deepcluster, kmeans as kmeans
    from ssl_nb.deepclustering import hungarian_accuracy as hungarian_accuracy
    from ssl_nb.distilling import distil as distil
    from ssl_nb.encoders import features as features, knn_predict as knn_predict
    from ssl_nb.estimator import SimCLRFeatures as SimCLRFeatures
    from ssl_nb.exporting import embed as embed, to_onnx as to_onnx
    from ssl_nb.finetuning import finetune as finetune
    from ssl_nb.folders import inspect_data as inspect_data
    from ssl_nb.hub import from_hub as from_hub, pull_from_hub as pull_from_hub
    from ssl_nb.hub import push_to_hub as push_to_hub
    from ssl_nb.label_files import merge_labels as merge_labels
    from ssl_nb.labelling import label_next as label_next
    from ssl_nb.label_page import Labeller as Labeller, labelling_page as labelling_page
    from ssl_nb.pretraining import pretrain as pretrain
    from ssl_nb.probing import linear_probe as linear_probe, probe as probe
    from ssl_nb.reporting import report as report
    from ssl_nb.runs import shipped_model as shipped_model
    from ssl_nb.scan import cluster_run as cluster_run, evaluate_clusters as evaluate_clusters
    from ssl_nb.semisupervised import label_curve as label_curve, semi as semi
    from ssl_nb.semisupervised import spread_labels as spread_labels
    from ssl_nb.simclr_loss import nt_xent as nt_xent
    from ssl_nb.sorting import sort_files as sort_files, undo_sort as undo_sort
    from ssl_nb.stages import load_encoder as load_encoder, load_run as load_run
    from ssl_nb.suspects import near_duplicates as near_duplicates, outliers as outliers
    from ssl_nb.suspects import wrong_labels as wrong_labels
    from ssl_nb.tuning import tune as tune
else:

    def __getattr__(name):
        if name not in API:
            raise AttributeError(f"module 'ssl_nb' has no attribute '{name}'")
        return getattr(importlib.import_module(f"ssl_nb.{API[name]}"), name)


def __dir__():
    return sorted([*API, "__version__"])
