"Self-supervised learning on small images: SimCLR, few-label probes and clusters"
__version__ = "0.1.0"
from typing import TYPE_CHECKING
from ssl_nb.core import API

if TYPE_CHECKING:  # what a type checker sees of API; a test holds the two in step
    from ssl_nb.core import SslNbError as SslNbError, shipped_model as shipped_model
    from ssl_nb.data import few_labels as few_labels, load_data as load_data, show_images as show_images
    from ssl_nb.deepcluster import (cluster as cluster, clustering_scores as clustering_scores, deepcluster as deepcluster,
                                    evaluate_clusters as evaluate_clusters, hungarian_accuracy as hungarian_accuracy, kmeans as kmeans)
    from ssl_nb.estimator import SimCLRFeatures as SimCLRFeatures
    from ssl_nb.export import embed as embed, to_onnx as to_onnx
    from ssl_nb.folders import inspect_data as inspect_data
    from ssl_nb.pretrain import (features as features, knn_predict as knn_predict, load_encoder as load_encoder, load_run as load_run,
                                 pretrain as pretrain)
    from ssl_nb.probe import (evaluate as evaluate, finetune as finetune, linear_probe as linear_probe, predict as predict, probe as probe)
    from ssl_nb.report import report as report
    from ssl_nb.semi import label_curve as label_curve, semi as semi, spread_labels as spread_labels
    from ssl_nb.simclr_loss import nt_xent as nt_xent
else: from ssl_nb.core import lazy_attr as __getattr__

def __dir__(): return sorted([*API, '__version__'])
