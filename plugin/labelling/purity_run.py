"""Opens what a run has left, so that shots of a class can be looked at again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from specklenn.core.config.loading import LoadedConfig, check_config
from specklenn.core.config.overrides import overridden
from specklenn.core.data.hdf5_file import get_dataset, open_file, read_values
from specklenn.core.data.hits import HITS, INDEX
from specklenn.core.data.shots import IndexedSource
from specklenn.core.errors import DataError
from specklenn.core.hitfinder import HitFinding
from specklenn.core.labelling.candidates import Picture, Viewer
from specklenn.core.results import Results
from specklenn.core.settings_file import Document, parse_yaml
from specklenn.plugin.labelling.opened_run import look_through
from specklenn.plugin.startup import open_run

KEPT = ("run", "model", "preprocess", "support")
"""Of a run's configuration, what its saved hits are looked at with: they are in photons
and masked already."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownRun:
    """The shots of a run that can be shown.

    Parameters
    ----------
    picture : function
        From the number of a shot, and whether the whole frame is wanted, to a picture
        (h, w) float32, photons per pixel, NaN where bad.
    there : (K,) int64 or None
        Numbers of the shots; None where all can be shown.
    title : str
        Name of the run.
    notes : tuple of str
    """

    picture: Callable[[int, bool], Picture]
    there: npt.NDArray[np.int64] | None
    title: str
    notes: tuple[str, ...]


def show_run(results: Results, given: Sequence[str]) -> ShownRun:
    """Open the frames of a run: its files, or of a stream the hits that it has saved.

    Parameters
    ----------
    results : Results
    given : sequence of str
        ``key=value`` over the run's configuration, as where its files are now.

    Raises
    ------
    ConfigError, DataError
        If the frames cannot be opened.
    """
    document = parse_yaml(results.config, f"{results.path}: config")
    loaded = check_config(overridden(document, given))
    try:
        source = open_run(loaded)
    except DataError as error:
        raise DataError(
            f"{error}\n{results.path}: --set source.path=FILE says where the shots of "
            "this run are now"
        ) from error
    run = loaded.settings.run
    title = f"{run.experiment} run {run.number}"
    if source is not None:
        return _shown(loaded, source, title)
    hits = results.path.with_name(HITS)
    if not hits.exists():
        raise DataError(
            f"{hits}: not found; the shots of a stream can be looked at again only "
            "where they were saved, see output.save_classes"
        )
    return _show_hits(document, hits, title)


def _show_hits(document: Document, hits: Path, title: str) -> ShownRun:
    kept = {key: document.data[key] for key in KEPT if key in document.data}
    data = {**kept, "source": {"kind": "hdf5", "path": str(hits)}}
    loaded = check_config(Document(data, document.source))
    source = open_run(loaded)
    assert source is not None
    with open_file(hits) as file:
        numbers = read_values(get_dataset(file, INDEX))[: len(source)]
    place = {int(number): position for position, number in enumerate(numbers)}
    shown = _shown(loaded, source, title)
    note = f"the run was a stream: only the {len(numbers)} shots in {hits} can be shown"
    return ShownRun(
        picture=lambda shot, whole: shown.picture(place[shot], whole),
        there=numbers,
        title=title,
        notes=(note, *shown.notes),
    )


def _shown(loaded: LoadedConfig, source: IndexedSource, title: str) -> ShownRun:
    opened = look_through(loaded, source)
    viewer = Viewer(
        source=source,
        preprocessor=opened.preprocessor,
        hit_finding=HitFinding(enabled=False),
        model=None,
    )
    return ShownRun(picture=viewer.picture, there=None, title=title, notes=opened.notes)
