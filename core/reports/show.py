"""Opens any file of shots to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from specklenn.core.reports.shown_file import ShownFile
from specklenn.core.reports.shown_frames import show_frames
from specklenn.core.reports.shown_results import is_results, show_results


@contextmanager
def open_shown(path: Path, dataset: str | None = None) -> Iterator[ShownFile]:
    """Open a file of shots of any kind.

    Parameters
    ----------
    path : Path
        HDF5 or CXI file, or the folder of a run for its results.
    dataset : str, optional
        Frames in it; by default those of a labelled dataset, else the largest there.

    Raises
    ------
    DataError
        If it cannot be opened, or has no frames.
    """
    with ExitStack() as stack:
        if path.is_dir() or (dataset is None and is_results(path)):
            yield show_results(path, stack)
        else:
            yield show_frames(path, dataset, stack)
