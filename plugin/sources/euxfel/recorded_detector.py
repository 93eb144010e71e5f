"""Trains of a detector of many modules in a run that EXtra-data opened."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError
from specklenn.plugin.sources.euxfel.pulses import (
    Pulses,
    TrainSettings,
    listed,
    masked,
)
from specklenn.plugin.sources.euxfel.recorded_trains import (
    always_bad,
    find_key,
    find_mask,
)


class AllModules:
    """Trains of a detector whose modules are sources of their own.

    Parameters
    ----------
    detector : str or None
        Its name; the only one in the run by default.

    Raises
    ------
    DataError
        If there is no such detector or key, or no data in it.
    """

    def __init__(self, run: Any, detector: str | None, settings: TrainSettings) -> None:
        name, kind = _find_detector(run, detector)
        self._run, self._kind, self._name = run, kind, name
        self._settings = settings
        found = _detector(run, kind, name, settings.only_modules)
        self.modules: list[int] = sorted(found.modno_to_source)
        if settings.only_modules not in (None, self.modules):
            raise DataError(
                f"{name}: modules {listed(self.modules)} found, only_modules "
                f"{listed(settings.only_modules or [])} expected"
            )
        for source in found.source_to_modno:
            find_mask(run, source, settings)
            for key in (settings.key, settings.pulse_id_key):
                if key is not None:
                    find_key(run, source, key)
        # Its modules count from 1, and the pulses of a train are one entry.
        self._jungfrau = kind.__name__ == "JUNGFRAU"
        first = 1 if self._jungfrau else 0
        self.positions: list[int] | None = [module - first for module in self.modules]
        self._use(found)
        data = self._data
        entry = data.modno_to_keydata[self.modules[0]].entry_shape
        per_entry = entry[0] if self._jungfrau else 1
        self.dtype = data.dtype
        self.train_ids = np.asarray(found.train_ids, np.uint64)
        self.pulses = found.frame_counts.to_numpy().astype(np.int64) * per_entry
        self.whole = _whole(data, self.train_ids)
        self.frame_shape = (len(self.modules), int(entry[-2]), int(entry[-1]))

    def _use(self, detector: Any) -> None:
        """Read from a detector with these modules from now on."""
        self._read_modules = sorted(detector.modno_to_source)
        self._places = [self.modules.index(module) for module in self._read_modules]
        self._detector = detector
        self._data = detector[self._settings.key]
        mask_key = self._settings.mask_key
        self._bad = None if mask_key is None else detector[mask_key]

    def expect(self, first: int, stop: int) -> None:
        """Trains of whole detectors are read one by one."""

    def read(self, train: int, chosen: npt.NDArray[np.int64]) -> Pulses:
        """Return pulses of a train; see `RecordedTrains`."""
        frames = self._array(self._data, train, chosen)
        mask = None if self._bad is None else self._array(self._bad, train, chosen)
        found = masked(frames, mask)
        if len(self._places) == len(self.modules):
            return found
        bad = None if found.bad is None else self._placed(found.bad)
        return Pulses(self._placed(found.frames), bad)

    def _placed(self, modules: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return modules that are read among all others, which are 0."""
        whole = np.zeros((len(modules), *self.frame_shape), modules.dtype)
        whole[:, self._places] = modules
        return whole

    def _array(
        self, data: Any, train: int, chosen: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        from extra_data import by_id, by_index

        selected = data.select_trains(by_id[[self.train_ids[train]]])
        if self._jungfrau:
            cells: npt.NDArray[Any] = selected.ndarray()[:, 0, chosen]
            return cells.swapaxes(0, 1)
        # Its own threads would compete with those of the other ranks.
        pulses: npt.NDArray[Any] = selected.select_pulses(by_index[chosen]).ndarray(
            decompress_threads=1
        )
        if pulses.ndim == 5:  # raw AGIPD: pixels, and the stages of their gains
            pulses = pulses[:, :, 0]
        return pulses.swapaxes(0, 1)

    def numbers(self, train: int) -> npt.NDArray[Any]:
        """Return the numbers of the pulses; see `RecordedTrains`."""
        key = self._settings.pulse_id_key
        if key is None:
            return np.arange(self.pulses[train])
        source = self._detector.modno_to_source[self._read_modules[0]]
        ids = self._detector.data[source, key]
        return np.asarray(ids.train_from_id(self.train_ids[train], True)[1]).ravel()

    def bad(self) -> npt.NDArray[np.bool_] | None:
        """Return the pixels that are always bad; see `RecordedTrains`."""
        if self._bad is None or not self.whole.any():
            return None
        train = int(self.whole.argmax())
        every = np.arange(self.pulses[train])
        return always_bad(self._array(self._bad, train, every))

    def read_only(self, needed: npt.NDArray[np.bool_]) -> None:
        """Read some modules only; see `RecordedTrains`."""
        wanted = [m for m, need in zip(self.modules, needed, strict=True) if need]
        if wanted and wanted != self._read_modules:
            self._use(_detector(self._run, self._kind, self._name, wanted))


def _find_detector(run: Any, name: str | None) -> tuple[str, Any]:
    """Return name and class of the detector of this name, or of the only one."""
    from extra_data.components import identify_multimod_detectors

    found = sorted(identify_multimod_detectors(run), key=lambda item: str(item[0]))
    wanted = [item for item in found if name in (None, item[0])]
    if len(wanted) == 1:
        return str(wanted[0][0]), wanted[0][1]
    names = listed([item[0] for item in found])
    sources = listed(sorted(run.instrument_sources))
    looked = "" if name is None else f" {name}"
    raise DataError(
        f"no source is given and not one detector{looked} of several modules is in the "
        f"run; detectors found: {names}; instrument sources found: {sources}"
    )


def _detector(run: Any, kind: Any, name: str, modules: list[int] | None) -> Any:
    """Open a detector; corrected data are preferred, raw ones are taken as well."""
    try:
        with warnings.catch_warnings():
            # It warns that only raw data are there; calibration says what to do then.
            warnings.simplefilter("ignore", UserWarning)
            return kind(run, name, modules=modules)
    except (ValueError, LookupError) as error:
        raise DataError(f"{name}: cannot be read: {error}") from error


def _whole(data: Any, train_ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return in which trains every module has data, (T,) bool."""
    whole = np.ones(len(train_ids), bool)
    for module in data.modno_to_keydata.values():
        counts = module.data_counts(labelled=False)
        whole &= np.isin(train_ids, np.asarray(module.train_ids)[counts > 0])
    return whole
