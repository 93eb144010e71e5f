"""Makes the rows of a finished run anew: from its results, its data and its files.

Each shot alone, by the model, supports and fit that its row names. Rows and versions
in ``results.h5`` tell which hits a fit was made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from specklenn.core.config.loading import load_config
from specklenn.core.data.shots import IndexedSource
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.hit_sample import Indices, sampled_shots
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor
from specklenn.core.results import RESULTS, ROWS, VERSIONS
from specklenn.core.rows import VERSION_FIELDS, Rows
from specklenn.plugin.job import CONFIG
from specklenn.plugin.live.model_update import FitUpdate, with_fit
from specklenn.plugin.live.results import read_versions
from specklenn.plugin.live.versions import Version
from specklenn.plugin.startup import PreparedRun, prepare_run


@dataclass(frozen=True, kw_only=True, eq=False)
class Replay:
    """Rows as they were written and as they were made anew, shot by shot.

    Parameters
    ----------
    written, made : (N,) records
    left_out : int
        Rows of models and supports that came by swaps.
    """

    written: Rows
    made: Rows
    left_out: int

    @property
    def same_labels(self) -> int:
        """How many rows have the same label and flags."""
        return int(
            (
                (self.written["label"] == self.made["label"])
                & (self.written["flags"] == self.made["flags"])
            ).sum()
        )

    @property
    def largest_difference(self) -> float:
        """Of scores; infinite where one of the two has none."""
        written, made = self.written["score"], self.made["score"]
        judged = np.isfinite(written)
        if not np.array_equal(judged, np.isfinite(made)):
            return float("inf")
        return float(np.abs(written - made)[judged].max(initial=0.0))


def replay(folder: Path) -> Replay:
    """Classify the shots of a run again.

    Parameters
    ----------
    folder : Path
        Output folder of the run, which has ended.

    Raises
    ------
    ConfigError
        If the run was a stream, or its files are there no more.
    DataError
        If there are no results.
    """
    written, versions = _read(folder / RESULTS)
    prepared = prepare_run(load_config(folder / CONFIG))
    source = prepared.source
    if source is None:
        raise ConfigError(
            f"{folder}: a run from files expected, a stream hands out shots only once"
        )
    known = [version for version in versions if _is_of(prepared, version)]
    made = np.zeros_like(written)
    done = np.zeros(len(written), bool)
    for version in known:
        mine = _is_by(written, version) & ~done
        pipeline = _pipeline(prepared.pipeline, source, written, version)
        for row in np.flatnonzero(mine):
            shot = int(written["index"][row])
            made[row] = pipeline.classify(source.read(shot, shot + 1)).rows[0]
        done |= mine
    source.close()
    return Replay(written=written[done], made=made[done], left_out=int((~done).sum()))


def _read(path: Path) -> tuple[Rows, list[Version]]:
    try:
        with h5py.File(path) as file:
            return file[ROWS][()], read_versions(file[VERSIONS][()])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: no results of a run of this version") from error


def _is_of(prepared: PreparedRun, version: Version) -> bool:
    """Whether a version has the model and supports of the configuration."""
    return version.has_content_of(prepared.first)


def _is_by(rows: Rows, version: Version) -> npt.NDArray[np.bool_]:
    equal = [rows[name] == getattr(version, name) for name in VERSION_FIELDS]
    mine: npt.NDArray[np.bool_] = np.logical_and.reduce(equal)
    return mine


def _pipeline(
    start: Pipeline, source: IndexedSource, rows: Rows, version: Version
) -> Pipeline:
    """Return what classified the rows of a version."""
    if version.fit_version == 0:
        return start.with_classifier(start.classifier, version.model_version)
    shots = sampled_shots(rows[: version.fit_rows], version.model_version)
    hits = _as_seen(shots, source, start.classifier.preprocessor)
    return with_fit(start, FitUpdate(version=version, hits=hits))


def _as_seen(
    shots: Indices, source: IndexedSource, preprocessor: Preprocessor
) -> npt.NDArray[np.float32]:
    """Return shots as the network sees them, (U, side, side) float32."""

    def inputs() -> Iterable[npt.NDArray[np.float32]]:
        for shot in shots.tolist():
            read = source.read(shot, shot + 1)
            yield preprocessor.normalise(
                preprocessor.crop(read.frames, read.bad).photons
            )

    return np.concatenate([*inputs()])
