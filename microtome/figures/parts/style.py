# SPDX-License-Identifier: MIT
"""One restrained style for all figures, without pyplot and without anything left to the machine."""

import functools
import textwrap
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox

from microtome.figures.parts.colors import CYCLE, GREY, INK, LIGHT

SINGLE_COLUMN = 3.5
"""Width of one column of a journal, in inches (89 mm)."""
DOUBLE_COLUMN = 7.2
"""Width of two columns, in inches (183 mm)."""
PAGE = 9.5
"""Height that a figure may have to fit on a page (247 mm), without its tag, in inches."""
TEXT, SMALL = 6.5, 6.0
"""Size of all text, and of text where room is scarce (pictures, diagrams, dense grids), points in print."""
TAG_HEIGHT = 0.17
"""Strip at the top of a phantom's figure for its tag, in inches."""
EDGE = 0.03
INCHES_PER_LETTER = 0.068
"""Width of a letter of a panel's title, rather too much."""
JOINED = "\u00a0"
"""A space that no line ends at."""
PHANTOM_TAG = "phantom data"
HASH_SALT = "microtome"
PLACES = 6
"""Decimals of where a panel lies, as a share of the figure."""

SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "figure.titlesize": TEXT,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.labelpad": 3.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=CYCLE),
    "axes.unicode_minus": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.4,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "patch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "figure.dpi": 300.0,
    "savefig.dpi": 300.0,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    "image.interpolation": "nearest",
    "image.cmap": "gray",
    "svg.fonttype": "path",
    "svg.hashsalt": HASH_SALT,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "path.simplify": True,
    "text.usetex": False,
    "text.parse_math": False,
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the style; matplotlib's settings are as before when it returns."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(SETTINGS)
            return function(*args, **kwargs)

    return wrapped


class StableLayout(ConstrainedLayoutEngine):
    """The constrained layout, rounded and made once, so that panels lie alike in each format.

    Its solver keeps variables in the order of their addresses in memory, so its sums, and with them a
    figure's bytes, differ in the last bit from one process to the next.
    """

    def execute(self, fig: Figure) -> None:
        """Lay out the panels of a figure, whose axes are moved; without axes there is nothing to do."""
        if not fig.get_axes():
            return
        super().execute(fig)
        for axes in fig.get_axes():
            axes.set_position(Bbox(axes.get_position(original=True).get_points().round(PLACES)), "original")
            axes.set_in_layout(True)


def lay_out(figure: Figure) -> None:
    """Give the panels of a finished figure, which is changed, their places, once for all formats.

    Without an engine (`None`; "none" is one that keeps places) a figure is drawn once for each format, else
    twice.
    """
    if isinstance(figure.get_layout_engine(), StableLayout):
        if figure.axes:
            figure.get_layout_engine().execute(figure)
        figure.set_layout_engine(None)


def new_figure(width: float, height: float, *, data_kind: str = "") -> Figure:
    """Make an empty figure of a size in inches, with the constrained layout and the Agg canvas.

    `data_kind` is ``phantom`` (which is tagged), ``public``, ``own``, or empty for what shows no data.
    """
    is_phantom = data_kind == "phantom"
    strip = TAG_HEIGHT if is_phantom else 0.0
    below = (0, 0, 1, height / (height + strip))
    layout = StableLayout(w_pad=EDGE, h_pad=EDGE, wspace=0.02, hspace=0.02, rect=below)
    figure = Figure(figsize=(width, height + strip), layout=layout)
    FigureCanvasAgg(figure)
    if is_phantom:
        style = {"ha": "right", "va": "top", "fontsize": SMALL, "color": GREY, "style": "italic"}
        figure.text(1 - EDGE / width, 1 - EDGE / (height + strip), PHANTOM_TAG, **style)
    return figure


def column_width(inches: float) -> float:
    """The width of one or two columns of a journal, whichever holds a drawing of a width, inches.

    Example:
        >>> column_width(2.4), column_width(3.6)
        (3.5, 7.2)
    """
    return SINGLE_COLUMN if inches <= SINGLE_COLUMN else DOUBLE_COLUMN


def as_written(text: str) -> str:
    r"""A text of the user's for a place where mathematics is parsed (`parse_math=True`): `$` stays a `$`.

    Elsewhere every text is drawn as it is written.

    Example:
        >>> as_written("5 $ a slide")
        '5 \\$ a slide'
    """
    return text.replace("$", r"\$")


def wrapped(text: str, inches: float) -> str:
    """A name in lines that a panel of this width (or height, if written upwards) has room for.

    Example:
        >>> wrapped("ResNet34-UNet + Linear", 1.0).splitlines()
        ['ResNet34-UNet', '+ Linear']
    """
    joined = text.replace("+ ", f"+{JOINED}")
    lines = textwrap.fill(joined, max(int(inches / INCHES_PER_LETTER), 1), break_on_hyphens=False)
    return lines.replace(JOINED, " ")


def letter(axes: Axes, name: str, title: str = "", **style: float) -> None:
    """Head a panel with its letter (`name`, may be empty) in bold and its title."""
    text = rf"$\bf{{{name}}}$   {as_written(title)}" if name else title
    axes.set_title(text, loc="left", parse_math=bool(name), **style)
