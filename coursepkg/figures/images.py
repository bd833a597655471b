"""Figures of image classifiers: pictures in a grid, confusion, calibration, curves over epochs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from coursepkg.figures.style import COLOURS


def image_grid(
    images: np.ndarray, titles: Sequence[str] = (), columns: int = 10, size: float = 0.85
) -> Figure:
    """Draw grey pictures side by side, row by row.

    Parameters
    ----------
    images : ndarray, shape (N, height, width)
        The pictures; dark is high.
    titles : sequence of str
        One line above each picture, or nothing.
    columns : int
        Pictures in a row.
    size : float
        Width and height of one picture in inches.

    Raises
    ------
    ValueError
        If there are titles, but not one for each picture.
    """
    if titles and len(titles) != len(images):
        raise ValueError(f"expected {len(images)} titles, one for each picture, got {len(titles)}")
    rows = -(-len(images) // columns)
    height = size + (0.16 * (1 + titles[0].count("\n")) if titles else 0)
    figure, axes = plt.subplots(
        rows, columns, figsize=(columns * size, rows * height), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for index, (axis, image) in enumerate(zip(axes.flat, images, strict=False)):
        axis.imshow(image)
        if titles:
            axis.set_title(titles[index], fontsize=8, loc="center", pad=2)
    return figure


def confusion_heatmap(counts: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw a confusion matrix; colour shows the errors only, so that they are not drowned.

    Parameters
    ----------
    counts : ndarray of int, shape (K, K)
        Rows are true classes, columns predicted ones.
    names : sequence of str, length K
        The classes.
    """
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    figure, axis = plt.subplots(figsize=(6.2, 5.2))
    picture = axis.imshow(errors, cmap="Oranges", vmin=0)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            dark = errors[row, column] > 0.6 * errors.max()
            weight = "bold" if row == column else "normal"
            axis.text(
                column, row, count, ha="center", va="center", fontsize=8,
                color="white" if dark else "black", weight=weight,
            )  # fmt: skip
    long = max(len(name) for name in names) > 3
    axis.set_xticks(
        range(len(names)), names, rotation=45 if long else 0, ha="right" if long else "center"
    )
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="predicted", ylabel="true class")
    axis.grid(False)
    figure.colorbar(picture, label="errors (images)", shrink=0.85)
    return figure


def reliability_diagram(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]], smallest: int = 10
) -> Figure:
    """Draw accuracy against confidence, one line for each classifier.

    Parameters
    ----------
    curves : mapping
        From a classifier's name to mean confidence, accuracy and number of images in each bin,
        all of shape (bins,).
    smallest : int
        Bins with fewer images than this are left out: their accuracy is chance.
    """
    figure, axis = plt.subplots(figsize=(5.4, 4.4))
    axis.plot([0, 1], [0, 1], color=COLOURS["grey"], linestyle=":", marker="", label="calibrated")
    for name, (confidence, accuracy, counts) in curves.items():
        filled = counts >= smallest
        axis.plot(confidence[filled], accuracy[filled], label=name)
    axis.set(xlabel="confidence (mean in the bin)", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    axis.legend(loc="lower right")
    return figure


def learning_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy over the epochs, on training and on validation images.

    Parameters
    ----------
    history : mapping
        Keras's ``History.history`` with ``loss``, ``accuracy``, ``val_loss``, ``val_accuracy``.

    Raises
    ------
    ValueError
        If one of the four is missing.
    """
    needed = ["loss", "val_loss", "accuracy", "val_accuracy"]
    if missing := [key for key in needed if key not in history]:
        raise ValueError(
            f"history must have {needed}; missing {missing}. Did fit() get validation data?"
        )
    epochs = np.arange(1, len(history["loss"]) + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for axis, name, unit in [(left, "loss", " (nats)"), (right, "accuracy", "")]:
        axis.plot(epochs, history[name], label="training")
        axis.plot(epochs, history[f"val_{name}"], label="validation")
        axis.set(xlabel="epoch", ylabel=name + unit)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend()
    return figure
