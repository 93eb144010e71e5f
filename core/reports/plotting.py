"""How the figures of a report look, and how they become files.

Colours are those of Okabe and Ito, told apart by all common kinds of colour vision;
lines and classes differ in their markers too, for print in grey.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from specklenn.core.errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#6b6b6b"
PIXELS_PER_INCH = 160

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # letters stay text
    "figure.constrained_layout.use": True,
}


def require_matplotlib() -> None:
    """Say now rather than later that figures cannot be drawn.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise MissingPackageError(
            "a report needs matplotlib; install it with: pip install "
            "'specklenn[report]'"
        ) from None


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """Give a figure in the common style to draw in; sizes in inches."""
    # Without pyplot, so that no window system is ever looked for.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        yield Figure((width, height), PIXELS_PER_INCH)


def look(number: int) -> dict[str, Any]:
    """Return colour and marker of the class or line with this number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def mark_chance(axes: Axes, chance: float) -> None:
    """Draw where guessing would be."""
    axes.axhline(chance, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
    axes.annotate(
        "guessing",
        (1, chance),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        xytext=(-2, 2),
        ha="right",
        va="bottom",
        color=GREY,
        fontsize=7,
    )


def as_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file; the same figure always gives the same bytes.

    Parameters
    ----------
    figure : Figure
    kind : {"png", "pdf"}
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    target = io.BytesIO()
    dated = {"CreationDate": None} if kind == "pdf" else None
    figure.savefig(target, format=kind, metadata=dated)
    return target.getvalue()
