"""Opens a run for labelling, and writes what the labels are for."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.classify import Classifier
from specklenn.core.config.loading import (
    LoadedConfig,
    check_config,
    load_config,
)
from specklenn.core.config.overrides import overridden
from specklenn.core.decision import make_head
from specklenn.core.errors import ConfigError
from specklenn.core.labelling.active_learning import ActiveLearner
from specklenn.core.labelling.candidates import Candidates, Ranges, Viewer
from specklenn.core.labelling.data_identity import LabelledData
from specklenn.core.labelling.export import by_class, write_supports, write_training
from specklenn.core.labelling.label_file import (
    PSOCAKE_ENDING,
    is_coded,
    label_file_name,
    psocake_file_name,
)
from specklenn.core.labelling.label_store import LabelStore
from specklenn.core.labelling.navigation import UNLABELLED
from specklenn.core.labelling.session import LabelSession
from specklenn.core.labels import AUTHORS_CODES
from specklenn.core.network.features import feature_layout
from specklenn.core.settings_file import Document
from specklenn.core.support import load_supports
from specklenn.plugin.console.progress_bar import WorkProgress
from specklenn.plugin.labelling.opened_run import look_through
from specklenn.plugin.packaged_configs import find_config, names
from specklenn.plugin.sources.hdf5 import Hdf5Settings, Hdf5Source
from specklenn.plugin.startup import open_run

NO_SUPPORT = "support.yaml"
"""A configuration names its supports; here they need not exist yet."""

NAMED = 12
"""Shots that are named one by one."""


RULE_HINT = " (suggested shots go best with classify.rule: soft)"


class LabellingRun:
    """One run, its labels, and what is written of them.

    Parameters
    ----------
    options : argparse.Namespace
        See `specklenn.plugin.commands.label`.

    Raises
    ------
    ConfigError, DataError
        If anything cannot be opened.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._loaded = _load(options)
        self.source = source = self._open_run()
        self.store = self._open_store()
        opened = look_through(self._loaded, source)
        self.model, self.preprocessor = opened.model, opened.preprocessor
        self.notes = (
            *source.notes,
            *self.store.notes,
            *self._passed_over(),
            *opened.notes,
        )

    @property
    def title(self) -> str:
        """Name of the run, for people."""
        if self._name is None:
            return self._data_path().name
        experiment, run = self._name
        return f"{experiment} run {run}"

    def labels_path(self) -> Path:
        """Return where the labels are kept by name: beside the data by default."""
        given = self._options.labels
        if given is not None and not self._is_psocakes(given):
            return Path(given)
        data = self._data_path()
        return data.with_name(label_file_name(data))

    def psocake_path(self) -> Path | None:
        """Return where psocake's labels are: where given, or by the experiment."""
        given = self._options.labels
        if given is not None and self._is_psocakes(given):
            return Path(given)
        if self._name is None:
            return None
        return self.labels_path().with_name(psocake_file_name(*self._name))

    def _is_psocakes(self, path: Path) -> bool:
        return path.name.endswith(PSOCAKE_ENDING) or is_coded(path)

    @property
    def _name(self) -> tuple[str, int] | None:
        """Experiment and run, if the experiment has a name."""
        run = self._loaded.settings.run
        named = "experiment" in run.model_fields_set
        return (run.experiment, run.number) if named else None

    @property
    def _codes(self) -> Mapping[str, str]:
        return self._options.codes or AUTHORS_CODES

    def _open_run(self) -> Hdf5Source:
        source = open_run(self._loaded)
        if not isinstance(source, Hdf5Source):
            raise ConfigError(
                f"{self._options.run}: label reads runs from files (kind: hdf5)"
            )
        return source

    def _open_store(self) -> LabelStore:
        """Open the files of labels, and refuse those of other data."""
        path = self.labels_path()
        if not (self._options.only_write or os.access(path.parent, os.W_OK)):
            raise ConfigError(
                f"{path.parent}: labels cannot be written into this folder; "
                "--labels FILE names another place for them"
            )
        # Opened once more: the other one may be told to read some modules only.
        whole = self._open_run()
        experiment, run = self._name or (None, None)
        data = LabelledData(
            path=self._data_path(),
            shots=whole.first + len(whole),
            frame_of=partial(_frame_of, whole),
            experiment=experiment,
            run=run,
        )
        return LabelStore(path, data, self.psocake_path(), self._codes)

    def _passed_over(self) -> list[str]:
        """Name files of labels in this folder that earlier versions would have read."""
        used = [path for path in (self.labels_path(), self.psocake_path()) if path]
        return [
            f"{path.name} in this folder is not read, {path} is; "
            f"--labels {path.name} if it is of {self._data_path()}"
            for path in used
            if Path(path.name).exists()
            and path.parent.absolute() != Path.cwd()
            and not path.exists()
        ]

    def session(self) -> LabelSession:
        """Find the shots to offer, with progress, and return a session on them."""
        options = self._options
        suggested = options.order == "suggested"
        viewer = self._viewer(suggested)
        candidates = viewer.find_candidates(
            options.at_most, self.store.labels, self._watched
        )
        return LabelSession(
            candidates.shots,
            self.store,
            options.classes,
            viewer.picture,
            self._learner(candidates),
            options.filter or UNLABELLED,
            self.export,
        )

    def export(self) -> str:
        """Write the files that were asked for; returns a sentence about each."""
        words = [
            write(path)
            for path, write in (
                (self._options.supports, self._write_supports),
                (self._options.training, self._write_training),
            )
            if path is not None
        ]
        return "; ".join(words) or "nothing to write: see --supports and --training"

    def _write_supports(self, path: Path) -> str:
        shots = by_class(self.store.labels, self._options.shots)
        dataset = self._file_settings().dataset
        made = write_supports(path, shots, self.source.locate, dataset)
        counts = ", ".join(f"{len(own)} {name}" for name, own in shots.items())
        words = f"wrote {path}, version {made.version}: {counts}{RULE_HINT}"
        return "; ".join([words, *self._checked(path)])

    def _checked(self, path: Path) -> Sequence[str]:
        """Return what a run would say of the supports that were written."""
        settings = self._loaded.settings.classify
        try:
            supports = load_supports(path)
            classifier = Classifier(self.model, supports, self.preprocessor, settings)
        except ConfigError as error:
            return error.problems
        return classifier.check_supports()

    def _write_training(self, path: Path) -> str:
        counted = self.source.dtype == np.uint16 and self.preprocessor.calibrated
        shots = by_class(self.store.labels)
        left_out = write_training(path, shots, self.source, self.preprocessor, counted)
        number = sum(map(len, shots.values())) - len(left_out)
        words = f"wrote {path}: {number} shots"
        if left_out:
            words += f", {len(left_out)} left out that cannot be classified: shot "
            words += ", ".join(map(str, left_out[:NAMED]))
        return words

    def _viewer(self, suggested: bool) -> Viewer:
        live = self.preprocessor.live_share
        hit_finding = self._loaded.settings.hit_finder.on_area(live)
        if self._options.no_hits:
            hit_finding = hit_finding.model_copy(update={"enabled": False})
        return Viewer(
            source=self.source,
            preprocessor=self.preprocessor,
            hit_finding=hit_finding,
            model=self.model if suggested else None,
        )

    def _learner(self, candidates: Candidates) -> ActiveLearner | None:
        if candidates.features is None or self.model is None:
            return None
        model = self.model
        return ActiveLearner(
            candidates.features,
            feature_layout(model.encoder).embeddings(candidates.features),
            self._options.classes,
            lambda classes: make_head(
                model.encoder, classes, model.rule, model.temperature
            ),
        )

    def _watched(self, ranges: Ranges) -> Iterator[tuple[int, int]]:
        with WorkProgress("looking for hits", len(self.source)) as progress:
            for start, stop in ranges:
                yield start, stop
                progress.advance(stop - start)

    def _file_settings(self) -> Hdf5Settings:
        settings = self._loaded.settings.source
        assert isinstance(settings, Hdf5Settings)
        return settings

    def _data_path(self) -> Path:
        return self._file_settings().paths[0]


def _frame_of(source: Hdf5Source, shot: int) -> npt.NDArray[np.generic] | None:
    """Return a frame; None where it cannot be read."""
    shots = source.read(shot, shot + 1)
    return None if shots.flags[0] else shots.frames[0]


def _load(options: argparse.Namespace) -> LoadedConfig:
    """Read the configuration of a run, or make one for a file of frames."""
    run, given = Path(options.run), [*_shortcuts(options), *options.set]
    if run.suffix.lower() in (".yaml", ".yml"):
        return load_config(run, given)
    if not run.exists() and options.run in names():
        return load_config(find_config(options.run), given)
    data: dict[str, Any] = {
        "source": {"kind": "hdf5", "path": str(run)},
        "support": {"file": NO_SUPPORT},
    }
    document = overridden(Document(data, "the command line"), given)
    return check_config(document)


def _shortcuts(options: argparse.Namespace) -> list[str]:
    """Return options that are short for keys of the configuration."""
    named = {
        "source.dataset": options.dataset,
        "model.weights": options.weights,
        "run.experiment": options.experiment,
        "run.number": options.number,
    }
    return [f"{key}={value}" for key, value in named.items() if value is not None]
