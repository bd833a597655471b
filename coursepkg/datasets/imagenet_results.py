"""The winners of the ImageNet challenge, 2010 to 2017: error rates in classification.

Each row of ``data/imagenet_results.csv`` names the page or the paper its number is from. They are
the errors of the teams that trained on the images of the challenge only.
"""

from __future__ import annotations

from coursepkg.datasets._content import Arrays
from coursepkg.datasets._table import read_table

TEST_IMAGES = 100_000
"""The errors were measured on at least so many images; for 2010 and 2012 reports differ."""

HUMAN_ERROR = 5.1
"""Error in per cent of one person who had practised on the classes, on 1,500 of the images."""


def load_data() -> Arrays:
    """Return the winner of each year, one array a column.

    Returns
    -------
    dict
        ``year``: float. ``team``, ``method`` ("features and SVM" or "convolutional network"),
        ``work`` (the key of the paper in the bibliography) and ``source``: text.
        ``top5_error``: float, in per cent of the test images: the share whose label was not among
        the five classes that the program named.
    """
    return read_table("imagenet_results", ("year", "top5_error"))
