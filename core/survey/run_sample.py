"""Shots from all over a run, and what is added up of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.data.shots import IndexedSource, Shots
from specklenn.core.flags import is_skipped
from specklenn.core.hitfinder import HitFinding, count_lit, is_hit
from specklenn.core.preprocess import LARGEST_PHOTONS, Preprocessor
from specklenn.core.survey.pixel_values import PixelValues

MOST_SHOTS = 256
BLOCK = 4
"""Shots in a row, which tell the rate."""

MOST_S = 10.0
"""Seconds of reading, after which no further block is begun."""

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class ShotFacts:
    """What is known of the shots that were looked at.

    Parameters
    ----------
    index : (n,) int64
        Numbers of the shots, increasing.
    timestamp_ns : (n,) uint64
        Unix epoch; 0 where nobody knows.
    photons : (n,) float32
        On the good pixels of the crop.
    floor : (n,) float32
        Photons that all but 5 % of the good pixels of the crop have at least.
    below : (n,) float32
        Share of the good pixels of the crop as far below 0 as lit ones are above.
    lit : (n,) int32
        Lit pixels of the crop.
    hit : (n,) bool
    flags : (n,) uint16
        Why a shot cannot be classified, 0 where it can.
    """

    index: npt.NDArray[np.int64]
    timestamp_ns: npt.NDArray[np.uint64]
    photons: npt.NDArray[np.float32]
    floor: npt.NDArray[np.float32]
    below: npt.NDArray[np.float32]
    lit: npt.NDArray[np.int32]
    hit: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.uint16]

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        """Which shots can be classified, (n,) bool."""
        return ~is_skipped(self.flags)


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSample:
    """Shots from all over a run.

    Parameters
    ----------
    shots : ShotFacts
    run_shots : int
        Shots of the run.
    dtype : str
        Data type of the frames.
    halves : (2, H, W) float32
        Photons of every second shot that can be classified, and of the others, added
        up: of hits, or of all where `of_hits` is False. 0 where NaN.
    total : (H, W) float32
        Photons of all of them, hits or not.
    lit_shots : (H, W) int32
        In how many of them a pixel saw light.
    lowest, highest : (H, W) float32
        Photons in the darkest and the brightest shot of each pixel.
    of_hits : bool
    pixels : PixelValues
        What some of the pixels read, as the detector gives it.
    """

    shots: ShotFacts
    run_shots: int
    dtype: str
    halves: npt.NDArray[np.float32]
    total: Picture
    lit_shots: npt.NDArray[np.int32]
    lowest: Picture
    highest: Picture
    of_hits: bool
    pixels: PixelValues

    @property
    def used(self) -> int:
        """Shots that were added up."""
        return int(self.shots.good.sum())


FEWEST_HITS = 16
"""Below it, the pattern is that of all shots."""


def look_at(
    source: IndexedSource,
    preprocessor: Preprocessor,
    hit_finding: HitFinding,
    now_s: Callable[[], float],
) -> RunSample:
    """Read shots from all over a run, some seconds at most.

    Parameters
    ----------
    source : IndexedSource
    preprocessor : Preprocessor
    hit_finding : HitFinding
        For a whole crop, as it is configured.
    now_s : function
        Time in seconds, never going back.
    """
    sums = _Sums(preprocessor, hit_finding)
    until = now_s() + MOST_S
    for start, stop in _blocks(source):
        sums.add(source.read(start, stop))
        if now_s() > until:
            break
    return sums.result(len(source))


def _blocks(source: IndexedSource) -> Iterator[tuple[int, int]]:
    """Give ranges of shots from all over a run, the same every time, in no order."""
    end = source.first + len(source)
    starts = np.arange(source.first, end, BLOCK)
    number = min(MOST_SHOTS // BLOCK, len(starts))
    chosen = starts[np.linspace(0, len(starts) - 1, number).round().astype(int)]
    for start in np.random.default_rng(0).permutation(chosen).tolist():
        yield start, min(start + BLOCK, end)


class _Sums:
    """What is added up, shot by shot."""

    def __init__(self, preprocessor: Preprocessor, hit_finding: HitFinding) -> None:
        self._preprocessor = preprocessor
        self._hit_finding = hit_finding.on_area(preprocessor.live_share)
        shape = preprocessor.shape
        self._pixels = PixelValues(preprocessor.mask)
        self._facts: list[ShotFacts] = []
        self._dtype = ""
        self._hits = np.zeros((2, *shape), np.float32)
        self._all = np.zeros((2, *shape), np.float32)
        self._numbers = [0, 0]
        self._lit = np.zeros(shape, np.int32)
        self._lowest = np.full(shape, np.inf, np.float32)
        self._highest = np.full(shape, -np.inf, np.float32)

    def add(self, shots: Shots) -> None:
        """Add up a few shots."""
        self._dtype = self._dtype or str(shots.frames.dtype)
        cropped = self._preprocessor.crop(shots.frames, shots.bad)
        lit = count_lit(cropped.photons, self._hit_finding.lit_above_photons)
        facts = ShotFacts(
            index=shots.index,
            timestamp_ns=shots.timestamp_ns,
            photons=cropped.total,
            floor=np.array([_floor(each) for each in cropped.photons], np.float32),
            below=_share_below(cropped.photons, self._hit_finding.lit_above_photons),
            lit=lit,
            hit=is_hit(lit, self._hit_finding),
            flags=shots.flags | cropped.flags,
        )
        self._facts.append(facts)
        for position in np.flatnonzero(facts.good):
            frame = shots.frames[position : position + 1]
            photons = self._preprocessor.calibrate(frame)[0]
            own = None if shots.bad is None else shots.bad[position]
            if own is not None:
                photons[own] = np.nan
            self._pixels.add(frame[0], own)
            self._add_frame(photons, bool(facts.hit[position]))

    def _add_frame(self, photons: Picture, hit: bool) -> None:
        known = np.abs(photons) <= LARGEST_PHOTONS
        np.fmin(self._lowest, np.where(known, photons, np.nan), out=self._lowest)
        np.fmax(self._highest, np.where(known, photons, np.nan), out=self._highest)
        counted = np.where(known, photons, np.float32(0))
        self._lit += counted > self._hit_finding.lit_above_photons
        sums = self._hits if hit else self._all
        half = self._numbers[hit] % 2
        sums[half] += counted
        self._numbers[hit] += 1

    def result(self, run_shots: int) -> RunSample:
        """Return what was found, the shots in their order."""
        total = self._hits.sum(axis=0) + self._all.sum(axis=0)
        of_hits = self._numbers[True] >= FEWEST_HITS
        return RunSample(
            shots=_in_order(self._facts),
            run_shots=run_shots,
            dtype=self._dtype,
            halves=self._hits if of_hits else self._hits + self._all,
            total=total,
            lit_shots=self._lit,
            lowest=self._lowest,
            highest=self._highest,
            of_hits=of_hits,
            pixels=self._pixels,
        )


def _floor(photons: Picture) -> float:
    good = photons[np.isfinite(photons)]
    return float(np.percentile(good, 5)) if len(good) else 0.0


def _share_below(photons: Picture, limit: float) -> npt.NDArray[np.float32]:
    good = np.isfinite(photons).sum(axis=(1, 2))
    below = (photons < -limit).sum(axis=(1, 2))
    return np.asarray(below / np.maximum(good, 1), np.float32)


def _in_order(parts: list[ShotFacts]) -> ShotFacts:
    index = np.concatenate([part.index for part in parts])
    order = np.unique(index, return_index=True)[1]
    return ShotFacts(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ShotFacts.__dataclass_fields__
        }
    )
