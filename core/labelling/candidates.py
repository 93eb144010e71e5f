"""Which shots of a run are offered for labelling: hits, spread over the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import IndexedSource, Shots
from specklenn.core.errors import DataError
from specklenn.core.flags import is_skipped
from specklenn.core.heads.head import Features
from specklenn.core.hitfinder import HitFinding, count_lit, is_hit
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.preprocess import Preprocessor

ANY_SHOT = HitFinding(enabled=False)

BLOCK = 64
"""Shots that are read at once; embedded on few cores in a fraction of a second."""

Picture = npt.NDArray[np.float32]

Ranges = Sequence[tuple[int, int]]
ProgressFn = Callable[[Ranges], Iterable[tuple[int, int]]]
"""Goes through ranges of shots and may show how far it has come."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Shots to label.

    Parameters
    ----------
    shots : (N,) int64
        Numbers of the shots in the run, increasing.
    features : (N, F) float32 or None
        See `specklenn.core.network.features`; None where nobody asked for them.
    """

    shots: npt.NDArray[np.int64]
    features: Features | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Viewer:
    """How shots of a run are looked at.

    Parameters
    ----------
    source : IndexedSource
    preprocessor : Preprocessor
    hit_finding : HitFinding
    model : Checkpoint or None
        Model that embeds shots; None where nothing is suggested.
    """

    source: IndexedSource
    preprocessor: Preprocessor
    hit_finding: HitFinding
    model: Checkpoint | None

    def find_candidates(
        self, at_most: int, labelled: Iterable[int], watch: ProgressFn = lambda r: r
    ) -> Candidates:
        """Return the hits of the run, at most so many, and all labelled shots.

        Where shots are to be suggested, blocks are read from all over the run (the
        same ones every time), otherwise from its beginning.

        Raises
        ------
        DataError
            If there is none.
        """
        found: dict[int, npt.NDArray[np.float32]] = {}
        for start, stop in watch(self._blocks()):
            shots = self.source.read(start, stop)
            found.update(self._embedded_hits(shots, self.hit_finding))
            if len(found) >= at_most:
                break
        found = dict(list(found.items())[:at_most])
        for shot in sorted(set(labelled).difference(found)):
            shots = self.source.read(shot, shot + 1)
            found.update(self._embedded_hits(shots, ANY_SHOT))
        if not found:
            raise DataError(
                "no shot of the run is a hit that can be shown; see hit_finder in "
                "the configuration, or offer no-hits too"
            )
        numbers = sorted(found)
        features = None
        if self.model is not None:
            features = np.stack([found[number] for number in numbers])
        return Candidates(shots=np.array(numbers, np.int64), features=features)

    def _blocks(self) -> Ranges:
        first, last = self.source.first, self.source.first + len(self.source)
        starts = np.arange(first, last, BLOCK)
        if self.model is not None:
            starts = np.random.default_rng(0).permutation(starts)
        return [(int(start), min(int(start) + BLOCK, last)) for start in starts]

    def _embedded_hits(
        self, shots: Shots, hit_finding: HitFinding
    ) -> dict[int, npt.NDArray[np.float32]]:
        """Return the hits that are not skipped, by number, with their features (F,)."""
        cropped = self.preprocessor.crop(shots.frames, shots.bad)
        lit = count_lit(cropped.photons, hit_finding.lit_above_photons)
        chosen = is_hit(lit, hit_finding) & ~is_skipped(shots.flags | cropped.flags)
        numbers = shots.index[chosen].tolist()
        features = np.zeros((len(numbers), 0), np.float32)
        if self.model is not None and numbers:
            inputs = self.preprocessor.normalise(cropped.photons[chosen])
            features = extract_features(self.model.encoder, inputs)
        return dict(zip(numbers, features, strict=True))

    def picture(self, shot: int, whole: bool) -> Picture:
        """Return a shot as (h, w) float32, photons per pixel, NaN where bad.

        The whole frame, or the part that the network sees.
        """
        shots = self.source.read(shot, shot + 1)
        if not whole:
            cropped: Picture = self.preprocessor.crop(shots.frames, shots.bad).photons[
                0
            ]
            return cropped
        photons = self.preprocessor.calibrate(shots.frames)[0]
        bad = self.preprocessor.mask
        bad = bad if shots.bad is None else bad | shots.bad[0]
        return np.where(bad, np.float32(np.nan), photons)
