"""Builds what a swap asks for at rank 0, and says why if it does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from specklenn.core.config.run_config import PreprocessOverrides
from specklenn.core.data.labelled_dataset import check_calibration
from specklenn.core.distances import Rule
from specklenn.core.errors import ConfigError
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Checkpoint, Weights
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor
from specklenn.core.support import SupportSet, load_supports
from specklenn.plugin.control.protocol import Request
from specklenn.plugin.live.model_update import ModelUpdate, pack_update, with_model
from specklenn.plugin.live.swap_coordinator import UpdateRequest
from specklenn.plugin.live.versions import Version, numbered

MOST_KEPT = 8
"""Versions that a run can go back through."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelAndSupports:
    """What shots are classified by, as it was read.

    Parameters
    ----------
    weights : Weights
    supports : SupportSet
    rule : Rule or None
        None for the model's own.
    """

    weights: Weights
    supports: SupportSet
    rule: Rule | None


@dataclass(kw_only=True, eq=False)
class BuiltUpdate(UpdateRequest):
    """An update that fits this run, ready to be offered to the workers.

    Parameters
    ----------
    pipeline : Pipeline
        What rank 0 made of it.
    stack : tuple of ModelAndSupports
        That of this update, and those before it to go back to, newest first.
    note : str
        A remark for the answer to the request.
    """

    pipeline: Pipeline
    stack: tuple[ModelAndSupports, ...]
    note: str


class UpdateBuilder:
    """Knows what a run uses, and builds what it may use instead.

    Parameters
    ----------
    pipeline : Pipeline
        In use at the start; gives calibration, mask, classes and device.
    weights : Weights
        Weights of the pipeline's model.
    overrides : PreprocessOverrides
        What the configuration puts on top of a model's preprocessing.
    numbers : iterator of int
        Gives every update of the run a number of its own.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        weights: Weights,
        overrides: PreprocessOverrides,
        numbers: Iterator[int],
    ) -> None:
        self._pipeline = pipeline
        self._overrides = overrides
        classifier = pipeline.classifier
        self._settings = classifier.settings
        first = ModelAndSupports(
            weights=weights, supports=classifier.supports, rule=self._settings.rule
        )
        self._stack: tuple[ModelAndSupports, ...] = (first,)
        self._numbers = numbers

    def build(self, request: Request, history: Sequence[Version]) -> BuiltUpdate:
        """Read, check and build what is asked for.

        Parameters
        ----------
        request : Request
            To swap, or to go back.
        history : sequence of Version
            Versions of this run so far, oldest first.

        Raises
        ------
        SpecklennError
            If it cannot be read, does not fit this run, or is in use already.
        """
        stack = self._wanted(request)
        newest, now = stack[0], history[-1]
        model = self._model(newest.weights)
        wanted = Version(
            model=newest.weights.card.name,
            weights_sha256=newest.weights.card.sha256,
            rule=newest.rule or model.rule,
            support_version=newest.supports.version,
            support_hash=newest.supports.content_hash,
            asked_by=request.asked_by,
        )
        if wanted.has_content_of(now):
            raise ConfigError(f"nothing changes: {now.words} is in use already")
        version = replace(numbered(history, wanted), number=next(self._numbers))
        update, pipeline = self._built(newest, version, model)
        support_notes = pipeline.classifier.check_supports()
        renumbered = _renumbered(newest.supports.version, version)
        return BuiltUpdate(
            version=version,
            payload=pack_update(update),
            pipeline=pipeline,
            stack=stack,
            support_notes=support_notes,
            note="; ".join([*renumbered, *support_notes]),
        )

    def adopt(self, built: BuiltUpdate) -> None:
        """Take note that an update is in use."""
        self._pipeline = built.pipeline
        self._stack = built.stack[:MOST_KEPT]

    def _wanted(self, request: Request) -> tuple[ModelAndSupports, ...]:
        """Return what is asked for and what there is to go back to from it."""
        now, *earlier = self._stack
        if request.action == "back":
            if not earlier:
                raise ConfigError("there is no earlier version in this run")
            return tuple(earlier)
        if not (request.weights or request.support or request.rule):
            raise ConfigError("no model, supports or rule to swap to")
        weights, supports = now.weights, now.supports
        if request.weights is not None:
            weights = checkpoint.read(request.weights)
        if request.support is not None:
            supports = load_supports(Path(request.support))
        rule = request.rule or now.rule
        wanted = ModelAndSupports(weights=weights, supports=supports, rule=rule)
        return (wanted, now, *earlier)

    def _model(self, weights: Weights) -> Checkpoint:
        """Return the model of weights: that in use, where they are its own."""
        now = self._pipeline.classifier.model
        stays = weights.card.sha256 == now.card.sha256
        return now if stays else checkpoint.decode(weights)

    def _built(
        self, wanted: ModelAndSupports, version: Version, model: Checkpoint
    ) -> tuple[ModelUpdate, Pipeline]:
        """Make the update, and of it the pipeline that every worker will make."""
        now, supports = self._pipeline.classifier, wanted.supports
        preprocessing = self._overrides.applied_to(model.preprocessing)
        preprocessor = now.preprocessor.with_settings(preprocessing)
        _check_classes(supports, now.classes)
        _check_frames(supports, preprocessor)
        window, bad = (slice(None), *preprocessor.window), supports.bad
        update = ModelUpdate(
            version=version,
            weights=None if model is now.model else wanted.weights,
            preprocessing=preprocessing,
            classification=self._settings.with_rule(wanted.rule),
            crops=supports.frames[window],
            labels=tuple(supports.labels.tolist()),
            origins=supports.origins,
            bad=None if bad is None else bad[window],
        )
        return update, with_model(self._pipeline, update, model)


def _check_classes(supports: SupportSet, classes: tuple[str, ...]) -> None:
    if set(supports.classes) != set(classes):
        raise ConfigError(
            f"supports of the classes {', '.join(sorted(supports.classes))} found, "
            f"this run has {', '.join(sorted(classes))}; a run keeps its classes"
        )


def _check_frames(supports: SupportSet, preprocessor: Preprocessor) -> None:
    if supports.shape != preprocessor.shape:
        raise ConfigError(
            f"supports of shape {supports.shape} found, this run has frames of shape "
            f"{preprocessor.shape}"
        )
    check_calibration("supports", supports.in_photons, preprocessor.calibrated)
    if supports.mask is None:
        return
    bad = int((supports.mask & ~preprocessor.mask)[preprocessor.window].sum())
    if bad:
        raise ConfigError(
            f"the supports have {bad} bad pixels in the crop that are good in this "
            "run; supports with the run's mask expected"
        )


def _renumbered(said: int, version: Version) -> list[str]:
    if version.support_version == said:
        return []
    return [
        f"the supports say version {said}, in this run they are version "
        f"{version.support_version}: each number means one content"
    ]
