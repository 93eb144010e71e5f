"""The report of an evaluation: a folder with a page, figures, tables and scores."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import DataError
from specklenn.core.reports.disturbance_figure import draw_disturbances
from specklenn.core.reports.evaluation_result import EvaluationResult
from specklenn.core.reports.figures import (
    draw_accuracy,
    draw_confusion,
    draw_fluence,
    draw_reliability,
    draw_sizes,
)
from specklenn.core.reports.html_page import as_page
from specklenn.core.reports.plotting import as_bytes, require_matplotlib
from specklenn.core.reports.scores_json import evaluation_json
from specklenn.core.reports.tsne import SampleMap
from specklenn.core.reports.tsne_figure import Pictures, draw_maps

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def make_folder(folder: Path) -> None:
    """Make the folder of a report, and make sure that it can be written.

    Raises
    ------
    DataError
        If it cannot.
    """
    probe = folder / ".specklenn"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}") from error


def write_report(
    folder: Path,
    result: EvaluationResult,
    by_size: bool = False,
    maps: Sequence[SampleMap] = (),
    pictures: Sequence[Pictures] = (),
) -> list[Path]:
    """Write everything that was found into a folder; returns the files.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    result : EvaluationResult
    by_size : bool
        Whether to draw accuracy over size.
    maps : sequence of SampleMap
    pictures : sequence of (k, H, W) float32, photons per pixel
        See `specklenn.core.reports.tsne_figure.draw_maps`.

    Raises
    ------
    DataError
        If a file cannot be written.
    MissingPackageError
        If matplotlib is not installed.
    """
    require_matplotlib()
    make_folder(folder)
    figures = _draw(result, by_size, maps, pictures)
    images = {name: as_bytes(figure, "png") for name, figure in figures.items()}
    files = {f"{name}.png": image for name, image in images.items()}
    files |= {f"{name}.pdf": as_bytes(each, "pdf") for name, each in figures.items()}
    texts = {
        "samples.csv": _as_csv(*result.sample_table()),
        "scores.json": evaluation_json(result),
        "report.html": as_page(result, images),
    }
    files |= {name: text.encode() for name, text in texts.items()}
    for name, content in files.items():
        write_file(folder / name, content)
    return [folder / name for name in files]


def write_file(path: Path, content: bytes) -> None:
    """Write a file.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}") from error


def _draw(
    result: EvaluationResult,
    by_size: bool,
    maps: Sequence[SampleMap],
    pictures: Sequence[Pictures],
) -> dict[str, Figure]:
    classes = result.settings.classes
    figures = {
        "accuracy": draw_accuracy(result.main.first, classes[0]),
        "confusion": draw_confusion(result.main.first),
        "reliability": draw_reliability(result.confidence),
    }
    if result.scan:
        scan = {fluence: scores.first for fluence, scores in result.scan.items()}
        figures["fluence"] = draw_fluence(scan, len(classes), classes[0])
    if result.disturbances is not None:
        figures["disturbances"] = draw_disturbances(result.disturbances)
    if by_size and result.sizes is not None:
        shown = {label: scores.first for label, scores in result.by_size().items()}
        figures["size"] = draw_sizes(shown, result.sizes, classes[0])
    if maps:
        figures["tsne"] = draw_maps(maps, pictures)
    return figures


def _as_csv(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([headings, *rows])
    return target.getvalue()
