"""What a look at a run says, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.flags import count_reasons
from specklenn.core.hitfinder import HitFinding
from specklenn.core.preprocess import Preprocessor
from specklenn.core.survey.beam_centre import BeamCentre, beam_centre
from specklenn.core.survey.event_times import EventTimes, event_times
from specklenn.core.survey.lit_pixels import FALSE_HITS, NoHits, find_no_hits
from specklenn.core.survey.odd_pixels import OddPixels, find_odd_pixels, masked_lines
from specklenn.core.survey.photon_peak import GainMeasurement, measure_gain
from specklenn.core.survey.photon_units import PhotonUnits
from specklenn.core.survey.run_sample import RunSample

Mask = npt.NDArray[np.bool_]

MOST_NAMED = 5
"""Pixels that are named one by one."""

MOST_BRIGHTER = 5.0
"""Supports and hits whose median photons differ by this factor are not alike: shots of
one sample vary by less in training."""

MOST_BELOW = 0.05
"""Share of the pixels as far below 0 as lit ones are above it: noise, not photons."""

MOST_FALSE_HITS = 0.01
"""Share of the no-hits that are taken for hits without a word."""

BRIGHT_FLOOR = 1.0
"""Photons on nearly every good pixel of the darkest shots: an offset is left."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSurvey:
    """A look at a run.

    Parameters
    ----------
    sample : RunSample
    preprocessor : Preprocessor
    hit_finding : HitFinding
        For a whole crop, as it is configured.
    masks : dict of str to (H, W) bool
        Where bad pixels come from, in words, and which they are; the mask of the
        preprocessor is all of them and more.
    support_photons : (S,) float32
        Photons of the supports, as those of the shots are counted; may be empty.
    support_lit : (S,) int32
        Their lit pixels.
    darkest : NoHits or None
        The shots with the fewest lit pixels, if they stand apart from others.
    """

    sample: RunSample
    preprocessor: Preprocessor
    hit_finding: HitFinding
    masks: Mapping[str, Mask]
    support_photons: npt.NDArray[np.float32]
    support_lit: npt.NDArray[np.int32]
    measured: GainMeasurement
    darkest: NoHits | None
    centre: BeamCentre | None
    pixels: OddPixels
    times: EventTimes

    @classmethod
    def of(
        cls,
        sample: RunSample,
        preprocessor: Preprocessor,
        hit_finding: HitFinding,
        masks: Mapping[str, Mask],
        support_photons: npt.NDArray[np.float32],
        support_lit: npt.NDArray[np.int32],
    ) -> RunSurvey:
        """Work out what is to be said of a sample."""
        return cls(
            sample=sample,
            preprocessor=preprocessor,
            hit_finding=hit_finding,
            masks=masks,
            support_photons=support_photons,
            support_lit=support_lit,
            measured=measure_gain(sample.pixels),
            darkest=find_no_hits(sample.shots.lit[sample.shots.good]),
            centre=beam_centre(sample, preprocessor),
            pixels=find_odd_pixels(sample, preprocessor),
            times=event_times(sample.shots.index, sample.shots.timestamp_ns),
        )

    def lines(self) -> list[tuple[str, str]]:
        """Return what was found: names of things, and words."""
        sample, shots = self.sample, self.sample.shots
        seen = len(shots.index)
        found = [
            ("looked at", f"{seen} of {sample.run_shots} shots from all over the run"),
            ("frames", self._frames()),
            ("units", self.units.words),
            ("photons", self._photons()),
            ("hits", self._hits()),
            ("no-hits", self._no_hits()),
            ("masked", self._masked()),
            ("pixels", self._odd_pixels()),
            ("times", self.times.words),
            ("centre", self._centre()),
        ]
        skipped = count_reasons(shots.flags)
        if skipped:
            words = ", ".join(f"{n} {reason}" for reason, n in skipped.items())
            found.insert(2, ("skipped", words))
        return found

    @property
    def units(self) -> PhotonUnits:
        """The calibration, measured and configured."""
        return PhotonUnits.of(self.measured.gain, self.preprocessor)

    @property
    def no_hits(self) -> NoHits | None:
        """Shots without a hit; None where there are none, or light is not photons."""
        return None if self._calibration() else self.darkest

    @property
    def minimum_lit_pixels(self) -> int:
        """Lit pixels that make a hit on the good pixels of the crop."""
        live = self.preprocessor.live_share
        return self.hit_finding.on_area(live).minimum_lit_pixels

    def problems(self) -> list[str]:
        """Return what makes no sense: with it, no class can be relied on."""
        found = (self._calibration(), self._brightness(), self._dark_supports())
        return [words for words in found if words]

    def warnings(self) -> list[str]:
        """Return what else a user should do something about."""
        return [
            words
            for words in (
                self._warn_of_skips(),
                self.units.warning(),
                self._warn_of_hits(),
                self._warn_of_false_hits(),
                self._warn_of_pixels(),
                self.times.problem and f"times: {self.times.problem}",
                self._warn_of_centre(),
            )
            if words
        ]

    def _frames(self) -> str:
        height, width = self.preprocessor.shape
        rows, columns = self.preprocessor.window
        unit = (
            "taken for photons"
            if self.preprocessor.calibrated
            else "calibrated to photons"
        )
        return (
            f"{height} x {width} pixels, {self.sample.dtype}, {unit}; used: rows "
            f"{rows.start}-{rows.stop - 1}, columns {columns.start}-{columns.stop - 1}"
        )

    def _photons(self) -> str:
        shots = self.sample.shots
        if not shots.good.any():
            return "no shot can be classified"
        low, middle, high = np.percentile(shots.photons[shots.good], (5, 50, 95))
        words = f"{middle:.4g} a shot, 5 to 95 %: {low:.4g} to {high:.4g}"
        hits = shots.photons[shots.good & shots.hit]
        return f"{words}; {np.median(hits):.4g} a hit" if len(hits) else words

    def _hits(self) -> str:
        if not self.hit_finding.enabled:
            return "not looked for (hit_finder.enabled: false)"
        shots = self.sample.shots
        good, hits = int(shots.good.sum()), int((shots.good & shots.hit).sum())
        lit = np.median(shots.lit[shots.good]) if good else 0
        return (
            f"{hits} of {good} ({_percent(hits, good)}); {lit:.0f} lit pixels a shot, "
            f"{self.hit_finding.words(self.preprocessor.live_share)}"
        )

    def _no_hits(self) -> str:
        found = self.no_hits
        if found is None:
            return "cannot be told by their lit pixels"
        proposed = found.minimum_lit_pixels(self.preprocessor.live_share)
        shots = self.sample.shots
        above = int((shots.lit[shots.good] >= found.threshold).sum())
        return (
            f"{found.mean:.3g} lit pixels (variance over mean {found.dispersion:.2g}); "
            f"{found.threshold} or more have 1 of {1 / FALSE_HITS:,.0f} no-hits, and "
            f"{above} of {int(shots.good.sum())} shots here: "
            f"hit_finder.minimum_lit_pixels {proposed}"
        )

    def _masked(self) -> str:
        mask = self.preprocessor.mask
        used = mask[self.preprocessor.window]
        whole = _percent(int(mask.sum()), mask.size)
        words = [
            f"{whole} of the frame, {_percent(int(used.sum()), used.size)} of what "
            "is used"
        ]
        known = np.zeros_like(mask)
        for origin, each in self.masks.items():
            words.append(f"{int((each & ~known).sum())} {origin}")
            known |= each
        rest = int((mask & ~known).sum())
        if rest:
            words.append(f"{rest} not used or without signal")
        rows, columns = masked_lines(self.preprocessor)
        if rows:
            words.append(f"no good pixel in rows {', '.join(rows)}")
        if columns:
            words.append(f"no good pixel in columns {', '.join(columns)}")
        return "; ".join(words)

    def _odd_pixels(self) -> str:
        found = [
            f"{len(places)} {kind}{_named(places)}"
            for kind, places in (
                ("dead", self.pixels.dead),
                ("hot", self.pixels.hot),
                ("stuck", self.pixels.stuck),
            )
        ]
        return ", ".join(found)

    def _centre(self) -> str:
        row, column = self._configured()
        configured = f"configured {row:.1f}, {column:.1f}"
        found = self.centre
        if found is None:
            return f"{configured}; the patterns do not tell it"
        row, column = found.position
        return (
            f"{configured}; by symmetry {row:.1f}, {column:.1f} (+- "
            f"{max(found.uncertainty, 0.1):.1f}), {found.off:.1f} pixels off"
        )

    def _configured(self) -> tuple[float, float]:
        rows, columns = self.preprocessor.window
        return (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2

    def _warn_of_skips(self) -> str:
        shots = self.sample.shots
        bad = int((~shots.good).sum())
        if 2 * bad <= len(shots.index):
            return ""
        return f"{bad} of {len(shots.index)} shots cannot be classified"

    def _warn_of_hits(self) -> str:
        shots = self.sample.shots
        good, hits = int(shots.good.sum()), int((shots.good & shots.hit).sum())
        if not self.hit_finding.enabled or not good or 0 < hits < good:
            return ""
        if self._calibration():
            return ""
        which = "every shot is a hit" if hits else "no shot is a hit"
        expected = "; unless the file holds hits alone" if hits else ""
        return (
            f"{which} of {good}{expected}: do hit_finder.minimum_lit_pixels, "
            "hit_finder.lit_above_photons and calibration fit?"
        )

    def _calibration(self) -> str:
        return self.units.problem() or self._floor() or self._below()

    def _warn_of_false_hits(self) -> str:
        found = self.no_hits
        if found is None or not self.hit_finding.enabled:
            return ""
        share = found.false_hits(self.minimum_lit_pixels)
        if share <= MOST_FALSE_HITS:
            return ""
        proposed = found.minimum_lit_pixels(self.preprocessor.live_share)
        return (
            f"{100 * share:.2g} % of the no-hits have {self.minimum_lit_pixels} lit "
            f"pixels and are taken for hits: --set "
            f"hit_finder.minimum_lit_pixels={proposed}"
        )

    def _brightness(self) -> str:
        shots = self.sample.shots
        hits, supports = shots.photons[shots.good & shots.hit], self.support_photons
        if not len(hits) or not len(supports):
            return ""
        ours, theirs = float(np.median(hits)), float(np.median(supports))
        if max(ours, theirs) <= MOST_BRIGHTER * max(min(ours, theirs), 1.0):
            return ""
        return (
            f"supports have {theirs:.3g} photons, hits of this run {ours:.3g} "
            "(medians): are the supports of this sample, detector and calibration?"
        )

    def _dark_supports(self) -> str:
        finding, lit = self.hit_finding, self.support_lit
        dark = int((lit < self.minimum_lit_pixels).sum())
        if not finding.enabled or 2 * dark <= len(lit):
            return ""
        return (
            f"{dark} of {len(lit)} supports have fewer than the "
            f"{self.minimum_lit_pixels} lit pixels of a hit (median "
            f"{np.median(lit):.0f}): shots like them are no-hits; do "
            "hit_finder.minimum_lit_pixels and calibration fit?"
        )

    def _floor(self) -> str:
        shots = self.sample.shots
        if not shots.good.any():
            return ""
        floor = float(np.percentile(shots.floor[shots.good], 5))
        if floor <= BRIGHT_FLOOR:
            return ""
        return (
            f"{floor:.3g} photons or more on nearly every pixel of the darkest shots: "
            "are calibration.offset_adu and calibration.adu_per_photon right?"
        )

    def _below(self) -> str:
        shots = self.sample.shots
        if not shots.good.any():
            return ""
        share = float(np.median(shots.below[shots.good]))
        if share <= MOST_BELOW:
            return ""
        return (
            f"{100 * share:.2g} % of the pixels are below "
            f"-{self.hit_finding.lit_above_photons:g} photons, so as many are lit by "
            "noise alone: are calibration.offset_adu and calibration.adu_per_photon "
            "right, and hit_finder.lit_above_photons above the noise?"
        )

    def _warn_of_pixels(self) -> str:
        found = self.pixels
        bad = len(found.hot) + len(found.stuck) + len(found.dead)
        if not bad:
            return ""
        return f"{bad} pixels are dead, hot or stuck: mask them (calibration.mask_file)"

    def _warn_of_centre(self) -> str:
        found = self.centre
        if found is None or not found.is_off:
            return ""
        row, column = found.position
        return (
            f"the beam is {found.off:.1f} pixels off the configured centre: the "
            f"patterns are symmetric about {row:.1f}, {column:.1f} (correlation "
            f"{found.correlation:.3f}, {found.configured_correlation:.3f} about the "
            f"configured one); if so, --set preprocess.centre=[{row:.1f},{column:.1f}]"
        )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.3g} %"


def _named(places: npt.NDArray[np.int64]) -> str:
    """Name the first pixels of a list."""
    if not len(places):
        return ""
    named = ", ".join(
        f"[{row}, {column}]" for row, column in places[:MOST_NAMED].tolist()
    )
    more = ", ..." if len(places) > MOST_NAMED else ""
    return f" ({named}{more})"
