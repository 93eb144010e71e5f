"""Which part of the detector a run uses: what is asked for, less what is dead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specklenn.core.config.loading import LoadedConfig
from specklenn.core.config.run_config import Config
from specklenn.core.data.bad_pixels import (
    FEWEST_SHOTS,
    find_bad_pixels,
    spread_shots,
)
from specklenn.core.data.dead_area import DeadArea, Signals, find_dead
from specklenn.core.data.detector_area import Mask, area_mask, modules_with
from specklenn.core.data.shots import DetectorRun, IndexedSource
from specklenn.core.errors import ConfigError
from specklenn.core.flags import count_reasons, is_skipped
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.survey.photon_peak import measure_gain
from specklenn.core.survey.photon_units import PhotonUnits
from specklenn.core.survey.pixel_values import PixelValues
from specklenn.plugin.sources.hdf5 import Hdf5Source


@dataclass(frozen=True, kw_only=True, eq=False)
class UsedArea:
    """What a run uses of the detector.

    Parameters
    ----------
    mask : (H, W) bool or None
        True where not used.
    notes : tuple of str
        What was found to be dead or cannot be read, sentences.
    pixels : PixelValues or None
        What some pixels read in the shots that were looked at; None of a stream.
    """

    mask: Mask | None
    notes: tuple[str, ...] = ()
    pixels: PixelValues | None = None

    def check_units(self, preprocessor: Preprocessor) -> tuple[str, ...]:
        """Return a sentence where the calibration does not give photons."""
        if self.pixels is None:
            return ()
        gain = measure_gain(self.pixels).gain
        problem = PhotonUnits.of(gain, preprocessor).problem()
        return (problem,) if problem else ()


def make_preprocessor(
    config: Config, own: Preprocessing, shape: tuple[int, int], mask: Mask | None = None
) -> Preprocessor:
    """Return a run's preprocessing of frames (H, W), `own` being the model's."""
    return Preprocessor(
        config.preprocess.applied_to(own),
        shape,
        mask,
        adu_per_photon=config.calibration.adu_per_photon,
        offset_adu=config.calibration.offset_adu,
    )


def use_area(
    loaded: LoadedConfig,
    own: Preprocessing,
    shape: tuple[int, int],
    mask: Mask | None,
    source: IndexedSource | None,
) -> UsedArea:
    """Settle the area of a run, and let the source read no module without need.

    Where the configuration chooses an area, modules that do not reach into the crop
    are not needed; otherwise those without a good pixel.

    Parameters
    ----------
    own : Preprocessing
        Preprocessing of the model.
    shape : (H, W)
        Shape of the frames.
    mask : (H, W) bool or None
        What is bad before.
    source : IndexedSource or None
        An open run: only runs are searched for dead area, no streams.

    Raises
    ------
    ConfigError
        If there is no such area, or no pixel of the crop in it.
    """
    config = loaded.settings
    preprocessor = make_preprocessor(config, own, shape)
    bad = np.zeros(shape, bool) if mask is None else mask
    if config.area.chosen:
        bad = bad | _outside(loaded, preprocessor, modules_of(loaded, source))
    notes: tuple[str, ...] = ()
    pixels: PixelValues | None = None
    if source is not None:
        _read_less(source, bad)
        pixels = PixelValues(bad)
        where = loaded.where("source", "path")
        signals, notes = _look_at(source, preprocessor, pixels, where)
        if config.area.find_dead and not _growing(source):
            found, words = _find_bad(source, signals, bad, preprocessor)
            bad, notes = bad | found, (*notes, *words)
            _read_less(source, bad)
    nothing = mask is None and not bad.any()
    return UsedArea(mask=None if nothing else bad, notes=notes, pixels=pixels)


def _outside(loaded: LoadedConfig, preprocessor: Preprocessor, modules: int) -> Mask:
    """Return what is outside the chosen area, or in a module outside the crop."""
    area = loaded.settings.area
    key = "modules" if area.modules else "quadrant"
    where = loaded.document.where(("area", key))
    try:
        bad = area_mask(area, preprocessor.shape, modules, preprocessor.settings.centre)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    used = np.zeros(preprocessor.shape, bool)
    used[preprocessor.window] = ~bad[preprocessor.window]
    if not used.any():
        raise ConfigError(
            f"{where}: area: {area.words} found, which has no pixel in the crop of "
            f"{preprocessor.settings.crop} pixels"
        )
    unread: Mask = np.repeat(~modules_with(used, modules), bad.shape[0] // modules)
    return bad | unread[:, None]


def modules_of(loaded: LoadedConfig, source: IndexedSource | None) -> int:
    """Return how many modules lie on top of each other in the frames of a run."""
    if source is None:
        return loaded.settings.source.modules(loaded.folder)
    return source.modules if isinstance(source, DetectorRun) else 1


def _growing(source: IndexedSource) -> bool:
    return isinstance(source, DetectorRun) and source.growing


def _read_less(source: IndexedSource, bad: Mask) -> None:
    if isinstance(source, DetectorRun):
        source.read_only(modules_with(~bad, source.modules))


def _look_at(
    source: IndexedSource, preprocessor: Preprocessor, pixels: PixelValues, where: str
) -> tuple[Signals, tuple[str, ...]]:
    """Look at shots spread over the run, the same on every rank.

    Returns
    -------
    signals : Signals
    notes : tuple of str
        How many of them cannot be used, if any.

    Raises
    ------
    ConfigError
        If all are so.
    """
    signals, spread = Signals(preprocessor.shape), _spread(source)
    flags = np.zeros(len(spread), np.uint16)
    for number, shot in enumerate(spread):
        shots = source.read(shot, shot + 1)
        flags[number] = shots.flags[0]
        if not is_skipped(shots.flags)[0]:
            photons = preprocessor.calibrate(shots.frames)
            if shots.bad is not None:
                photons[shots.bad] = np.nan
            signals.add(photons[0], shots.frames[0])
            pixels.add(shots.frames[0], None if shots.bad is None else shots.bad[0])
    reasons = ", ".join(f"{n} {why}" for why, n in count_reasons(flags).items())
    if not reasons:
        return signals, ()
    said = f"of {len(spread)} shots looked at, {reasons}"
    if isinstance(source, Hdf5Source) and source.problem and not source.notes:
        said += f": {source.problem}"
    if signals.shots == 0:
        raise ConfigError(f"{where}: no shot that can be used: {said}")
    return signals, (said,)


def _find_bad(
    source: IndexedSource, signals: Signals, bad: Mask, preprocessor: Preprocessor
) -> tuple[Mask, tuple[str, ...]]:
    """Return the pixels (H, W) that give no signal, and sentences about them."""
    modules = source.modules if isinstance(source, DetectorRun) else 1
    dead = DeadArea(mask=np.zeros(preprocessor.shape, bool), words=())
    if signals.shots >= FEWEST_SHOTS:
        dead = find_dead(signals, bad, modules, preprocessor.settings.centre)
    pixels = find_bad_pixels(signals, bad | dead.mask, modules)
    return dead.mask | pixels.mask, (*dead.words, *pixels.words)


def _spread(source: IndexedSource) -> list[int]:
    frame_bytes = source.read(source.first, source.first + 1).frames.nbytes
    return [source.first + shot for shot in spread_shots(len(source), frame_bytes)]
