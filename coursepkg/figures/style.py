"""One style for all figures: opaque, readable in dark mode, colours that all readers can tell."""

import matplotlib as mpl
from cycler import cycler

COLOURS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "amber": "#E69F00",
    "grey": "#666666",
}
"""The palette of Okabe and Ito (2008), made to be told apart by colour-blind readers."""

_MARKERS = ["o", "s", "^", "D", "v", "P", "X"]


def use_course_style() -> None:
    """Make Matplotlib draw every later figure in the style of the course."""
    mpl.rcParams.update(
        {
            "axes.edgecolor": "#444444",
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.prop_cycle": cycler(color=list(COLOURS.values())) + cycler(marker=_MARKERS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.facecolor": "white",
            "figure.figsize": (7.0, 3.6),
            "font.size": 10,
            "grid.color": "#dddddd",
            "image.cmap": "gray_r",
            "legend.frameon": False,
            "lines.markersize": 4,
            "savefig.facecolor": "white",
            "savefig.transparent": False,
        }
    )
