"Self-supervised learning on small images: SimCLR, few-label probes and clusters"
__version__ = "0.1.0"
from ssl_nb.core import API, lazy_attr as __getattr__

def __dir__(): return sorted([*API, '__version__'])
