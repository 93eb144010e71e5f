"""Few-shot classification: the paper's four steps, vectorised (section 3.6).

(1) embed the pattern and all supports, (2) take the Euclidean distance to every
support, (3) average the distances by class, (4) the smallest wins. Or another head
(`specklenn.core.heads`) decides by the supports, see `specklenn.core.decision`.
"""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.classified import Classified, joined
from specklenn.core.data.given_frames import Given, GivenFrames, stack_frames
from specklenn.core.decision import Decision, DecisionRule, make_head
from specklenn.core.distances import Classification, Embeddings, Rule
from specklenn.core.errors import ConfigError
from specklenn.core.flags import Flag, is_skipped
from specklenn.core.heads.head import Features, Head, Task
from specklenn.core.hitfinder import HitFinding, count_lit, is_hit
from specklenn.core.labels import NO_HIT, UNKNOWN, all_classes
from specklenn.core.network import checkpoint
from specklenn.core.network.batch_statistics import follow_statistics
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.network.specklenn2023 import store_channels_last
from specklenn.core.preprocess import CroppedFrames, Preprocessor
from specklenn.core.rejection import Limits
from specklenn.core.rows import NO_CLASS, class_codes
from specklenn.core.support import SupportSet, load_supports
from specklenn.core.support_check import check_supports

Anything = TypeVar("Anything")

SHOTS_AT_ONCE = 256
"""Frames that are calibrated and cut at once: memory stays flat for any number."""


class Classifier:
    """A network, its preprocessing and a support set.

    Without supports it embeds patterns and classifies none.

    Parameters
    ----------
    model : Checkpoint
    supports : SupportSet, optional
        Frames as the detector gives them, like the shots to come.
    preprocessor : Preprocessor, optional
        Preprocessing of frames of this detector, which must give the network's input.
        By default the model's, for photons: of the shape of the supports with their
        mask; without supports, of any shape that the crop fits into, nothing masked.
    settings : Classification, optional
        A rule or temperature that is left open is the model's.
    device : str
        Where the network runs.

    Raises
    ------
    ConfigError
        If the crop does not give the network's input size, or a support cannot
        be used (flat, NaN); every such support is named.
    """

    def __init__(
        self,
        model: Checkpoint,
        supports: SupportSet | None = None,
        preprocessor: Preprocessor | None = None,
        settings: Classification | None = None,
        device: str = "cpu",
    ) -> None:
        self.settings = settings or Classification()
        self.model = model
        self.device = device
        self._encoder = model.encoder.to(torch.device(device)).eval()
        store_channels_last(self._encoder)
        self._supports = supports
        self._preprocessor = preprocessor
        self._rule: DecisionRule | None = None
        if supports is not None:
            self._preprocessor = preprocessor or Preprocessor(
                model.preprocessing, supports.shape, supports.mask
            )
            self._rule = self._decision_rule(supports, self._preprocessor)

    @classmethod
    def load(
        cls,
        weights: str | os.PathLike[str] = "default",
        support: str | os.PathLike[str] | SupportSet | None = None,
        mask: npt.ArrayLike | None = None,
    ) -> Classifier:
        """Make a classifier from a model and a support set, both by name or path.

        Parameters
        ----------
        weights : name or path
        support : path or SupportSet, optional
            YAML support file or a labelled HDF5 dataset, in photons. Without it,
            patterns can be embedded and not classified.
        mask : (H, W) or (modules, h, W) bool, optional
            Pixels that are bad in all frames, True where bad; beside those of a saved
            support file.

        Raises
        ------
        ConfigError
            If the mask has another shape than the supports, or there are none.
        """
        model = checkpoint.load(weights)
        if support is not None and not isinstance(support, SupportSet):
            support = load_supports(support)
        if mask is not None:
            support = _needed(support).with_mask(np.asarray(mask, bool))
        return cls(model, support)

    @property
    def rule(self) -> Rule:
        """The rule of the settings, or else the model's."""
        return self.settings.rule or self.model.rule

    @property
    def supports(self) -> SupportSet:
        """The support set; a ConfigError where there is none."""
        return _needed(self._supports)

    @property
    def preprocessor(self) -> Preprocessor:
        """Preprocessing of frames of one shape; a ConfigError where there is none."""
        return _needed(self._preprocessor)

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of the supports; a ConfigError where there are none."""
        return self.supports.classes

    def embed(self, patterns: npt.NDArray[Any]) -> Embeddings:
        """Embed detector frames.

        Parameters
        ----------
        patterns : (B, H, W) array, photons per pixel
            Of the preprocessor's shape, if there is one; also in the other forms that
            `classify` takes.

        Returns
        -------
        (B, D) float32, unit length
            NaN where a pattern cannot be classified: flat, empty, NaN or absurd
            pixels, all masked.

        Raises
        ------
        ConfigError
            If the patterns have another shape, or the crop does not fit into it.
        """
        given, preprocessor = self._frames_of(patterns)
        cropped = preprocessor.crop(given.frames)
        good = ~is_skipped(given.flags | cropped.flags)
        features = self._features(cropped.photons[good], preprocessor)
        return _nan_but(good, features[:, : self._encoder.embedding_size])

    def classify(
        self, patterns: Given, find_hits: bool | HitFinding = True
    ) -> Classified:
        """Classify detector frames, as `specklenn run` does.

        Parameters
        ----------
        patterns : (B, H, W) array, photons per pixel
            Of the shape of the supports. Also one frame (H, W), modules that stack to
            it, (B, modules, h, W), or a list of frames, in which None stands for a
            missing one. Frames that cannot be classified are told with a reason.
        find_hits : bool or HitFinding
            Whether hits are found as by a run whose configuration says nothing of it;
            the other shots are no-hits and never reach the network. False makes hits of
            all; other settings are taken as they are.

        Raises
        ------
        ConfigError
            If no pattern has the shape of the supports, they are no real numbers, or
            there are no supports.

        Examples
        --------
        >>> found = classifier.classify(frames)  # doctest: +SKIP
        >>> found.labels.tolist()  # doctest: +SKIP
        ['single-hit', 'no-hit', '']
        >>> found.reasons.tolist()  # doctest: +SKIP
        ['', '', 'NaN or absurd pixels']
        """
        _needed(self._supports)
        given, preprocessor = self._frames_of(patterns)
        hit_finding = _hit_finding(find_hits, preprocessor)
        return joined(
            [
                self.classify_crops(_cropped(given, part, preprocessor), hit_finding)
                for part in _parts(len(given.frames))
            ]
        )

    def classify_crops(
        self, cropped: CroppedFrames, hit_finding: HitFinding
    ) -> Classified:
        """Find the hits among crops and decide about them; see `classify`.

        Raises
        ------
        ConfigError
            If there are no supports.
        """
        classes, names = all_classes(self.classes), (*self.classes, UNKNOWN)
        lit = count_lit(cropped.photons, hit_finding.lit_above_photons)
        usable, hits = ~is_skipped(cropped.flags), is_hit(lit, hit_finding)
        codes = np.full(len(lit), NO_CLASS, np.int8)
        codes[usable & ~hits] = classes.index(NO_HIT)
        flags = cropped.flags.copy()
        flags[usable & ~hits] |= Flag.NO_HIT.bits
        nan = np.full((len(lit), len(self.classes)), np.nan, np.float32)
        distances, scores = nan, nan.copy()
        chosen = np.flatnonzero(usable & hits)
        if len(chosen):
            decision = self.decide(cropped.photons[chosen])
            distances[chosen], scores[chosen] = decision.distances, decision.scores
            codes[chosen] = class_codes(np.array(names), classes)[decision.codes]
            flags[chosen] |= decision.flags
        return Classified(
            classes=classes,
            support_classes=self.classes,
            codes=codes,
            distances=distances,
            scores=scores,
            photons=cropped.total,
            lit_pixels=lit,
            flags=flags,
        )

    def decide(self, photons: npt.NDArray[np.float32]) -> Decision:
        """Decide about crops that can be classified.

        Parameters
        ----------
        photons : (B, crop, crop) float32, photons per pixel, NaN where bad
            See `specklenn.core.preprocess.CroppedFrames`.

        Raises
        ------
        ConfigError
            If there are no supports.
        """
        rule = _needed(self._rule)
        return rule.decide(self._features(photons, self.preprocessor))

    def following(self, hits: npt.NDArray[np.float32]) -> Classifier:
        """Return this classifier, fitted to its supports and to hits of a run.

        The statistics of the network's layers move towards those of the hits, and the
        head gets them beside the supports. The hits of an earlier such fit are
        forgotten.

        Parameters
        ----------
        hits : (U, side, side) float32
            As the network sees them, see `Preprocessor.normalise`.

        Raises
        ------
        ConfigError
            If there are no supports, or the hits are not of the network's input size.
        """
        side = self._encoder.input_side
        if hits.shape[1:] != (side, side):
            raise ConfigError(
                f"hits of shape {hits.shape[1:]} found, {(side, side)} expected"
            )
        made = copy.copy(self)
        made._encoder = follow_statistics(self.model.encoder, hits)
        made._rule = made._decision_rule(
            self.supports, self.preprocessor, extract_features(made._encoder, hits)
        )
        return made

    def check_supports(self) -> tuple[str, ...]:
        """Return what a person should know of the supports, a sentence each.

        See `specklenn.core.support_check`. Takes as long as several fits.

        Raises
        ------
        ConfigError
            If there are no supports.
        """
        supports = self.supports
        task = self._task(supports, self.preprocessor)
        return check_supports(supports, self._head(supports), task)

    def _decision_rule(
        self,
        supports: SupportSet,
        preprocessor: Preprocessor,
        unlabelled: Features | None = None,
    ) -> DecisionRule:
        """Return the rule of the settings, or else the model's, for these supports."""
        task = replace(self._task(supports, preprocessor), unlabelled=unlabelled)
        fitted = self._head(supports).fit(task)
        return DecisionRule(head=fitted, limits=Limits.of(self.settings, self.rule))

    def _head(self, supports: SupportSet) -> Head:
        model = self.model
        temperature = self.settings.temperature or model.temperature
        return make_head(model.encoder, supports.classes, self.rule, temperature)

    def _task(self, supports: SupportSet, preprocessor: Preprocessor) -> Task:
        cropped = preprocessor.crop(supports.frames, supports.bad)
        _check_usable(supports, cropped.flags)
        classes = supports.classes
        return Task(
            supports=self._features(cropped.photons, preprocessor),
            classes=np.array([classes.index(name) for name in supports.labels]),
            n_classes=len(classes),
        )

    def _frames_of(self, patterns: Given) -> tuple[GivenFrames, Preprocessor]:
        """Return patterns as a stack, and what crops them."""
        own = self._preprocessor
        given = stack_frames(patterns, None if own is None else own.shape)
        return given, own or Preprocessor(self.model.preprocessing, given.shape)

    def _features(
        self, photons: npt.NDArray[np.float32], preprocessor: Preprocessor
    ) -> Features:
        settings, side = preprocessor.settings, self._encoder.input_side
        if settings.input_side != side:
            raise ConfigError(
                f"preprocess: crop {settings.crop} by bin {settings.bin} gives "
                f"{settings.input_side} pixels a side, the network "
                f"{self.model.card.name!r} takes {side}"
            )
        return extract_features(self._encoder, preprocessor.normalise(photons))


def _hit_finding(
    find_hits: bool | HitFinding, preprocessor: Preprocessor
) -> HitFinding:
    """Return how hits are found: as a run does by default, or as somebody says."""
    if isinstance(find_hits, HitFinding):
        return find_hits
    return HitFinding(enabled=find_hits).on_area(preprocessor.live_share)


def _needed(given: Anything | None) -> Anything:
    """Return what only a classifier with supports has."""
    if given is None:
        raise ConfigError(
            "support: this classifier has none, so it embeds patterns and cannot "
            "classify them; Classifier.load(weights, support=...) expected"
        )
    return given


def _check_usable(supports: SupportSet, flags: npt.NDArray[np.uint16]) -> None:
    bad = np.flatnonzero(is_skipped(flags))
    if len(bad):
        raise ConfigError(
            *(
                f"support: {supports.origins[item]} cannot be used: "
                "flat, empty, NaN or all masked"
                for item in bad
            )
        )


def _parts(number: int) -> list[slice]:
    """Return slices of that many frames; one, of nothing, where there are none."""
    starts = range(0, max(number, 1), SHOTS_AT_ONCE)
    return [slice(first, first + SHOTS_AT_ONCE) for first in starts]


def _cropped(
    given: GivenFrames, part: slice, preprocessor: Preprocessor
) -> CroppedFrames:
    """Crop some of the frames, flagged as they were given where that is why."""
    cropped = preprocessor.crop(given.frames[part])
    before = given.flags[part]
    return replace(cropped, flags=np.where(before, before, cropped.flags))


def _nan_but(
    good: npt.NDArray[np.bool_], values: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return values (good, D) in their rows of (B, D), which is NaN elsewhere."""
    rows = np.full((len(good), values.shape[1]), np.nan, np.float32)
    rows[good] = values
    return rows
