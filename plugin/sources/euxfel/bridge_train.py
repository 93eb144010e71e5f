"""What is in one message of a Karabo bridge: the pulses of a train, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.data.frames import as_pictures
from specklenn.core.flags import Flag
from specklenn.plugin.sources.euxfel.assembly import Assembled
from specklenn.plugin.sources.euxfel.pulses import (
    TrainSettings,
    arranged,
    chosen_pulses,
    listed,
    masked,
    pulse_times_ns,
)
from specklenn.plugin.sources.stall_detector import UnusableError


@dataclass(frozen=True, kw_only=True, eq=False)
class Train:
    """The shots of one train.

    Parameters
    ----------
    frames : (P, H, W) array
        Zero for pulses that are flagged; of one pixel where nothing can be read.
    timestamp_ns : (P,) uint64
        Unix epoch, nanoseconds.
    flags : (P,) uint16
    problem : str
        Why shots are flagged, a sentence; empty where none is.
    bad : (P, H, W) bool or None
        Pixels that are bad in their pulse; None without a mask.
    """

    frames: npt.NDArray[Any]
    timestamp_ns: npt.NDArray[np.uint64]
    flags: npt.NDArray[np.uint16]
    train_id: int | None
    problem: str = ""
    bad: npt.NDArray[np.bool_] | None = None


class TrainReader:
    """Reads the messages of a bridge.

    Every train has shots: one that cannot be read has as many as the last that could,
    all flagged.

    Parameters
    ----------
    source : str
        Whose pixels these are.
    assembled : Assembled or None
        Puts modules into pictures; they are stacked by default.
    """

    def __init__(
        self, settings: TrainSettings, source: str, assembled: Assembled | None = None
    ) -> None:
        self._settings = settings
        self._source = source
        self._assembled = assembled
        self._usual = len(chosen_pulses(settings.pulses, 1)) or 1

    def read(self, parts: Sequence[Any], arrived_ns: int) -> Train:
        """Return the shots of a message, flagged where it is not as it should be.

        Parameters
        ----------
        arrived_ns : int
            Stands for the time of a train that does not say when it was.
        """
        meta: Mapping[str, Any] = {}
        try:
            data, metadata = deserialized(parts)
            meta = _mapping(metadata.get(self._source))
            return self._train(_of_source(data, self._source), meta, arrived_ns)
        except UnusableError as error:
            number = self._usual
            return Train(
                frames=np.zeros((number, 1, 1), np.float32),
                timestamp_ns=self._times({}, meta, np.arange(number), arrived_ns),
                flags=np.full(number, error.flag.bits),
                train_id=train_id(meta),
                problem=str(error),
            )

    def _train(
        self, data: Mapping[str, Any], meta: Mapping[str, Any], arrived_ns: int
    ) -> Train:
        settings = self._settings
        ids = settings.pulse_id_key
        if ids is not None and not isinstance(data.get(ids), np.ndarray):
            raise UnusableError(f"no array {ids}; there are {listed(_arrays(data))}")
        whole = self._pulses(data, settings.key)
        chosen = chosen_pulses(settings.pulses, len(whole))
        there = chosen < len(whole)
        every = len(chosen) == len(whole) and there.all()
        taken = slice(None) if every else chosen[there]
        mask = None
        if settings.mask_key is not None:
            mask = self._pulses(data, settings.mask_key)
            if mask.shape != whole.shape:
                raise UnusableError(
                    f"{settings.mask_key} of {mask.shape} for pixels of {whole.shape}"
                )
            mask = mask[taken]
        pulses = masked(whole[taken], mask)
        bad = None
        if pulses.bad is not None:
            bad = _at(there, self._pictures(pulses.bad.astype(np.uint8))) != 0
        problem = "" if there.all() else f"a train of {len(whole)} pulses"
        self._usual = max(len(chosen), 1)
        return Train(
            frames=_at(there, self._pictures(pulses.frames)),
            bad=bad,
            timestamp_ns=self._times(data, meta, chosen, arrived_ns),
            flags=np.where(there, 0, Flag.UNREADABLE.bits).astype(np.uint16),
            train_id=train_id(meta),
            problem=problem,
        )

    def _pulses(self, data: Mapping[str, Any], key: str) -> npt.NDArray[Any]:
        """Return an array of a train as (pulses, modules, H, W), modules selected."""
        found = data.get(key)
        if not isinstance(found, np.ndarray):
            raise UnusableError(f"no array {key}; there are {listed(_arrays(data))}")
        if found.dtype.kind not in "uif":
            raise UnusableError(f"{key} of data type {found.dtype}, numbers expected")
        try:
            pulses = arranged(found, self._settings.axes)
        except ValueError as error:
            raise UnusableError(f"{key}: {error}", Flag.WRONG_SHAPE) from error
        return self._modules(data, pulses)

    def _modules(
        self, data: Mapping[str, Any], pulses: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        number, used = pulses.shape[1], self._settings.only_modules
        if used is not None and used[-1] >= number:
            reason = f"{number} modules, module {used[-1]} expected"
            raise UnusableError(reason, Flag.WRONG_SHAPE)
        chosen = list(range(number)) if used is None else used
        present = data.get("modulesPresent")
        if isinstance(present, Sequence | np.ndarray) and len(present) == number:
            absent = [module for module in chosen if not present[module]]
            if absent:
                raise UnusableError(f"a train without modules {listed(absent)}")
        return pulses if used is None else pulses[:, used]

    def _pictures(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self._assembled is None:
            return as_pictures(frames)
        if frames.shape[1:] != self._assembled.expected:
            raise UnusableError(
                f"(modules, rows, columns) {frames.shape[1:]}, by source.geometry "
                f"{self._assembled.expected} expected",
                Flag.WRONG_SHAPE,
            )
        return self._assembled.pictures(frames)

    def _times(
        self,
        data: Mapping[str, Any],
        meta: Mapping[str, Any],
        chosen: npt.NDArray[np.int64],
        arrived_ns: int,
    ) -> npt.NDArray[np.uint64]:
        settings, numbers = self._settings, chosen
        ids = data.get(settings.pulse_id_key) if settings.pulse_id_key else None
        if isinstance(ids, np.ndarray) and ids.dtype.kind in "ui":
            ids = ids.ravel()
            numbers = np.where(chosen < len(ids), ids.take(chosen, mode="clip"), chosen)
        train_ns = train_time_ns(meta) or arrived_ns
        return pulse_times_ns(train_ns, numbers, settings.pulse_spacing_ns)


def _at(there: npt.NDArray[np.bool_], known: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return pictures in their places among pulses that a train lacks, which are 0."""
    if there.all():
        return known
    pictures = np.zeros((len(there), *known.shape[1:]), known.dtype)
    pictures[there] = known
    return pictures


def deserialized(parts: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return data and metadata of a message, by source.

    A message of one part is the bridge's protocol 1.0. Its arrays may be pickles, which
    the bridge's own client would load: whoever reaches the socket could run code here.
    Nothing of it is read. Protocol 2.2 has msgpack and plain buffers only.

    Raises
    ------
    UnusableError
        If it is not of protocol 2.2.
    """
    import karabo_bridge

    if len(parts) < 2:
        raise UnusableError(
            "a message of protocol 1.0 or an error of the bridge, which is not read "
            "since it can hold pickles; protocol 2.2 expected"
        )
    try:
        data, meta = karabo_bridge.deserialize(parts)
    except Exception as error:  # it checks nothing, so anything can be raised
        raise UnusableError(f"no message of a Karabo bridge: {error!r}") from error
    return data, meta


def train_id(meta: Mapping[str, Any]) -> int | None:
    """Return the number of a train, None where it does not say."""
    found = meta.get("timestamp.tid")
    return found if isinstance(found, int) and found >= 0 else None


def train_time_ns(meta: Mapping[str, Any]) -> int:
    """Return when a train came, Unix epoch, nanoseconds; 0 where it does not say.

    ``timestamp.frac`` are attoseconds, as text of up to 18 digits.
    """
    try:
        seconds = int(meta["timestamp.sec"])
        time_ns = seconds * 10**9 + int(meta["timestamp.frac"]) // 10**9
    except (KeyError, ValueError, TypeError):
        time = meta.get("timestamp")
        known = isinstance(time, int | float) and np.isfinite(time)
        time_ns = round(time * 1e9) if known and time is not None else 0
    return time_ns if 0 < time_ns < 2**63 else 0


def _of_source(data: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    if source not in data:
        raise UnusableError(
            f"no source {source}; there are {listed(sorted(map(str, data)))}"
        )
    return _mapping(data[source])


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _arrays(data: Mapping[str, Any]) -> list[str]:
    return [name for name, value in data.items() if isinstance(value, np.ndarray)]
