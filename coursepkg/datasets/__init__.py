"""Small real datasets inside the package, and the full sets on request.

Each dataset is a module of its own with ``load_data()``, as in ``keras.datasets``. NumPy is all
that is needed to use it.
"""

from coursepkg.datasets import (
    english_spanish,
    fashion_mnist,
    graphics_processors,
    imagenet_results,
    mnist,
    processors,
    shakespeare,
    supercomputers,
    training_runs,
)
from coursepkg.datasets._content import DamagedDataError
from coursepkg.datasets._download import DownloadError

__all__ = [
    "DamagedDataError",
    "DownloadError",
    "english_spanish",
    "fashion_mnist",
    "graphics_processors",
    "imagenet_results",
    "mnist",
    "processors",
    "shakespeare",
    "supercomputers",
    "training_runs",
]
