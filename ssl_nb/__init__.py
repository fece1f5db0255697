"Self-supervised learning on small images: SimCLR, few-label probes and clusters"

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
