"""Opens everything that a run needs, and finds every problem before beam."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.classify import Classifier
from specklenn.core.config.loading import LoadedConfig
from specklenn.core.config.run_config import Config
from specklenn.core.data.labelled_dataset import check_calibration
from specklenn.core.data.masks import Mask, read_mask_file
from specklenn.core.data.shots import (
    DetectorRun,
    GrowingRun,
    IndexedSource,
    ShotSource,
)
from specklenn.core.data.sources import Share
from specklenn.core.errors import ConfigError, MissingPackageError, SpecklennError
from specklenn.core.labels import all_classes
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint, Weights
from specklenn.core.pipeline import Pipeline
from specklenn.core.socket_keys import read_keys
from specklenn.core.support import SupportSet, from_settings, load_supports
from specklenn.plugin.live.follow_run import FOLLOWING_RULE
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.live.versions import Version
from specklenn.plugin.sources.hdf5 import Hdf5Source
from specklenn.plugin.startup_area import make_preprocessor, use_area

Opened = TypeVar("Opened")


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRun:
    """A run that is ready to start.

    Parameters
    ----------
    weights : Weights
        The model's weights, as their file has them.
    source : IndexedSource or None
        An open run; None for a stream.
    mask : (H, W) bool or None
    support_notes : tuple of str
        Sentences about the supports; at rank 0 alone, which tells them.
    """

    pipeline: Pipeline
    weights: Weights
    source: IndexedSource | None
    facts: RunFacts
    mask: Mask | None
    support_notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self.pipeline.classifier.preprocessor.shape

    @property
    def first(self) -> Version:
        """What shots are classified by at the start."""
        classifier = self.pipeline.classifier
        return Version(
            model=classifier.model.card.name,
            weights_sha256=classifier.model.card.sha256,
            rule=classifier.rule,
            support_version=classifier.supports.version,
            support_hash=classifier.supports.content_hash,
        )

    @property
    def photon_dtype(self) -> npt.DTypeLike:
        """Data type that holds the calibrated frames: uint16 for whole photons."""
        preprocessor = self.pipeline.classifier.preprocessor
        source = self.source
        whole = isinstance(source, DetectorRun) and source.dtype == np.uint16
        return np.uint16 if whole and preprocessor.calibrated else np.float32


class _Problems:
    """Attempts one step after another and remembers every problem."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def attempt(self, prefix: str, open_it: Callable[[], Opened]) -> Opened | None:
        try:
            return open_it()
        except MissingPackageError:
            raise
        except ConfigError as error:
            self.found.extend(error.problems)
        except SpecklennError as error:
            lines = str(error).splitlines()
            self.found.extend(f"{prefix}: {line}" if prefix else line for line in lines)
        return None

    def raise_if_any(self) -> None:
        if self.found:
            raise ConfigError(*self.found)


def prepare_run(loaded: LoadedConfig, rank: int = 0) -> PreparedRun:
    """Open data, mask, supports and weights and make the pipeline of them.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    config, problems = loaded.settings, _Problems()
    source = problems.attempt(loaded.where("source", "path"), lambda: open_run(loaded))
    supports = problems.attempt("", lambda: _load_supports(loaded))
    weights = problems.attempt("", lambda: read_weights(loaded))
    model = None
    if weights is not None:
        model = problems.attempt("", partial(checkpoint.decode, weights))
    shape = next((each.shape for each in (source, supports) if each is not None), None)
    extra_mask = problems.attempt(
        loaded.where("calibration", "mask_file"), lambda: load_mask(loaded, shape)
    )
    if rank == 0:  # which alone binds sockets
        _check_keys(loaded, problems)
    problems.raise_if_any()
    assert supports is not None
    assert weights is not None
    assert model is not None
    if source is not None and source.shape != supports.shape:
        raise ConfigError(
            f"{loaded.where('support')}: supports of shape {supports.shape}, the "
            f"source has frames of shape {source.shape}"
        )
    mask = _combined(
        supports,
        [supports.mask, _source_mask(loaded, source), extra_mask],
    )
    _check_calibration(config, supports, source)
    _check_follow_run(loaded, model)
    used = use_area(loaded, model.preprocessing, supports.shape, mask, source)
    words = _masked_words(loaded, source, supports.mask, extra_mask, used.mask)
    notes = source.notes if isinstance(source, DetectorRun) else ()
    pipeline = _make_pipeline(config, model, supports, used.mask, rank)
    preprocessor = pipeline.classifier.preprocessor
    if rank == 0:  # who tells it
        notes = (*notes, *used.check_units(preprocessor))
    return PreparedRun(
        pipeline=pipeline,
        weights=weights,
        source=source,
        facts=_facts(
            config,
            supports,
            0 if source is None or _is_followed(source) else len(source),
            (*notes, *used.notes, *_not_saved(loaded, supports)),
            words,
            live=source is None,
        ),
        mask=used.mask,
        support_notes=pipeline.classifier.check_supports() if rank == 0 else (),
    )


def _is_followed(source: IndexedSource) -> bool:
    """Whether nobody knows yet how many shots a run will have."""
    return isinstance(source, GrowingRun) and source.live


def make_source(
    loaded: LoadedConfig, prepared: PreparedRun, worker: int, workers: int
) -> ShotSource:
    """Return one worker's source: the open run, or its share of a stream."""
    if prepared.source is not None:
        return prepared.source
    share = Share(worker=worker, workers=workers, place=loaded.folder)
    return loaded.settings.source.join(share)


def open_run(loaded: LoadedConfig) -> IndexedSource | None:
    """Open a run; None for a stream, of which only its settings are checked."""
    settings = loaded.settings.source
    source = settings.open(loaded.folder)
    if source is None:
        settings.check(loaded.folder)
    return source


def _check_keys(loaded: LoadedConfig, problems: _Problems) -> None:
    """Read the keys of all sockets, to find problems before beam."""
    config = loaded.settings
    for group, keys in (
        ("publish", config.publish.keys),
        ("control", config.control.keys),
    ):
        if keys is not None:
            where = loaded.where(group, "keys")
            problems.attempt(where, partial(read_keys, keys, "run"))


def _load_supports(loaded: LoadedConfig) -> SupportSet:
    support = loaded.settings.support
    if support.file is not None:
        return load_supports(support.file)
    return from_settings(support.inline, loaded.document, ("support", "shots"))


def load_model(loaded: LoadedConfig) -> Checkpoint:
    """Load the model that a configuration names."""
    return checkpoint.decode(read_weights(loaded))


def read_weights(loaded: LoadedConfig) -> Weights:
    """Read the weights that a configuration names, without making the model."""
    return checkpoint.read(loaded.settings.model.weights)


def load_mask(loaded: LoadedConfig, shape: tuple[int, int] | None) -> Mask | None:
    """Read the extra mask of a configuration, True where bad, if it names one.

    Parameters
    ----------
    shape : (H, W) or None
        Shape of the frames; None where it is not known, then any is accepted.
    """
    calibration = loaded.settings.calibration
    if calibration.mask_file is None:
        return None
    file, dataset = calibration.mask_file, calibration.mask_dataset
    return read_mask_file(file, dataset, shape, calibration.mask_bits)


def _source_mask(loaded: LoadedConfig, source: IndexedSource | None) -> Mask | None:
    if source is None:
        return loaded.settings.source.mask(loaded.folder)
    return source.mask() if isinstance(source, DetectorRun) else None


def _combined(supports: SupportSet, found: Sequence[Mask | None]) -> Mask | None:
    """Return the pixels that any of the masks calls bad."""
    masks = [mask for mask in found if mask is not None]
    for mask in masks:
        if mask.shape != supports.shape:
            raise ConfigError(
                f"support: supports of shape {supports.shape}, a mask of the source "
                f"has shape {mask.shape}"
            )
    return np.logical_or.reduce(masks) if masks else None


def _check_calibration(
    config: Config, supports: SupportSet, source: IndexedSource | None
) -> None:
    """Refuse to calibrate frames that were saved in photons."""
    calibrated = config.calibration.changes_nothing
    check_calibration("supports", supports.in_photons, calibrated)
    if isinstance(source, Hdf5Source):
        source.check_calibration(calibrated)


def _check_follow_run(loaded: LoadedConfig, model: Checkpoint) -> None:
    classify = loaded.settings.classify
    rule = classify.rule or model.rule
    if classify.follow_run and rule != FOLLOWING_RULE:
        raise ConfigError(
            f"{loaded.where('classify', 'follow_run')}: true found with the rule "
            f"{rule!r}, expected {FOLLOWING_RULE!r} or follow_run: false"
        )


def _make_pipeline(
    config: Config,
    model: Checkpoint,
    supports: SupportSet,
    mask: Mask | None,
    rank: int,
) -> Pipeline:
    torch.set_num_threads(config.model.threads)
    if config.model.device != "cpu" and not torch.cuda.is_available():
        raise ConfigError(
            f"model.device: {config.model.device!r} found, but PyTorch sees no GPU "
            "here; expected cpu"
        )
    own = model.preprocessing
    preprocessor = make_preprocessor(config, own, supports.shape, mask)
    classifier = Classifier(
        model, supports, preprocessor, config.classify, config.model.device
    )
    hit_finding = config.hit_finder.on_area(preprocessor.live_share)
    return Pipeline(classifier, hit_finding, config.run.number, rank)


def _masked_words(
    loaded: LoadedConfig,
    source: IndexedSource | None,
    of_supports: Mask | None,
    extra: Mask | None,
    used: Mask | None,
) -> str:
    """Say how many pixels are masked, and by what."""
    if used is None:
        return "no pixel is masked"
    parts = []
    if isinstance(source, Hdf5Source):
        parts.append(source.mask_words)
    elif (of_source := _source_mask(loaded, source)) is not None:
        parts.append(f"{of_source.sum()} by the source")
    if of_supports is not None:
        parts.append(f"{of_supports.sum()} by {loaded.settings.support.file}")
    if extra is not None:
        parts.append(f"{extra.sum()} by {loaded.settings.calibration.mask_file}")
    if loaded.settings.area.chosen:
        parts.append(f"those outside {loaded.settings.area.words}")
    why = ", ".join(part for part in parts if part)
    return f"{used.sum()} of {used.size} pixels are masked" + (f": {why}" * bool(why))


def _not_saved(loaded: LoadedConfig, supports: SupportSet) -> list[str]:
    """Say which classes that somebody wants to have saved no shot can get."""
    output, known = loaded.settings.output, all_classes(supports.classes)
    asked = output.save_classes if "save_classes" in output.model_fields_set else []
    return [
        f"{loaded.where('output', 'save_classes')}: {name} found, none is saved; the "
        f"classes of this run are {', '.join(known)}"
        for name in asked
        if name not in known
    ]


def _facts(
    config: Config,
    supports: SupportSet,
    shots: int,
    notes: tuple[str, ...],
    masked: str,
    live: bool,
) -> RunFacts:
    return RunFacts(
        experiment=config.run.experiment,
        run=config.run.number,
        classes=all_classes(supports.classes),
        support_classes=supports.classes,
        expected_shots=shots or config.source.expected_shots,
        notes=notes,
        masked=masked,
        live=live,
    )
