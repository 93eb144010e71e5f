"""What the collector tells the windows: one complete snapshot in one message.

A snapshot is state, not difference: its counters only grow, so a window that
misses messages loses nothing, and one that starts late sees the whole run and
its last ten minutes. The wire format is a single msgpack map; arrays travel as
``{"dtype", "shape", "data"}``. Decoding trusts nothing that arrives.

This is the only module of specklenn that the window imports; it needs NumPy
and msgpack and nothing else.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

SCHEMA = 2
"""Version of the message layout; a window refuses any other with a sentence."""

LARGEST_MESSAGE_BYTES = 32 * 1024 * 1024
LARGEST_ARRAY_SIDE = 100_000
ALLOWED_DTYPES = ("|u1", "<u2", "<f2", "<f4", "<f8", "<i8")

RUN_STATES = ("waiting", "running", "finished", "failed")


class MessageError(ValueError):
    """Bytes that are not a message this version can read."""


@dataclass(frozen=True, kw_only=True)
class RankStatus:
    """One worker rank as the collector sees it.

    Parameters
    ----------
    rank : int
        Rank in the job; 0 is the collector, which also works in a job of one.
    host : str
        Name of its machine.
    shots : int
        Shots whose rows arrived from this rank.
    silent_s : float
        Seconds since its last message.
    failure : str
        Last line of its traceback, empty while it is well.
    """

    rank: int
    host: str
    shots: int
    silent_s: float
    failure: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One classified shot with its pattern, for people to look at.

    Parameters
    ----------
    index : int
        Shot index in the run.
    timestamp_ns : int
        Unix epoch, nanoseconds.
    label : str
        Class it was given.
    score : float
        Probability-like score of that class, 0 to 1.
    distances : tuple of float
        Mean distance to the supports of each class, in the order of
        `Snapshot.support_classes`; NaN where the shot never reached the network.
    photons : float
        Photons on the good pixels of the crop.
    rank : int
        Rank that judged it.
    pattern : (h, w) float32, photons per pixel
        The crop that the network saw, before normalisation; NaN where masked.
        Row 0 is the top of the picture.
    """

    index: int
    timestamp_ns: int
    label: str
    score: float
    distances: tuple[float, ...]
    photons: float
    rank: int
    pattern: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Everything a window needs to draw the run as it stands now.

    Parameters
    ----------
    session : str
        Identifies one start of the collector; another value means a restart.
    sequence : int
        Grows by one per message of a session.
    wall_ns : int
        Collector's clock when the snapshot was taken, Unix epoch, nanoseconds.
    state : str
        One of `RUN_STATES`. A run that finished is not stale.
    experiment, run : str
        Names for the title.
    classes : tuple of str
        Every label a shot can get, in display order.
    counts : (classes,) int64
        Shots per class since the start of the session.
    support_classes : tuple of str
        The classes that have supports, in the order of `Example.distances`.
    expected_shots : int
        Shots in the run, 0 where nobody can know (live streams).
    missed_shots : int
        Shots that a live source dealt out or dropped and that never came back.
    skipped : dict of str to int
        Shots that could not be judged, per reason.
    latency_edges_ms : (bins + 1,) float64
        Edges of the latency histogram, milliseconds.
    latency_counts : (bins,) int64
        Shots per latency bin, from shot to row at the collector.
    ranks : tuple of RankStatus
        The workers.
    support_version : int
        Version of the support set in use.
    support_hash : str
        Start of its content hash.
    model_version : int
        Number of the model in use, 1 at the start of the run.
    model : str
        Its name.
    history_s : (times,) float64
        Unix epoch seconds, one per second of the last ten minutes.
    history_counts : (times, classes) int64
        `counts` as they were then.
    examples : tuple of Example
        Newest first, a few per class.
    failures : tuple of str
        Sentences that a person must see.
    """

    session: str
    sequence: int
    wall_ns: int
    state: str
    experiment: str
    run: str
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    support_classes: tuple[str, ...]
    expected_shots: int
    missed_shots: int
    skipped: dict[str, int]
    latency_edges_ms: npt.NDArray[np.float64]
    latency_counts: npt.NDArray[np.int64]
    ranks: tuple[RankStatus, ...]
    support_version: int
    support_hash: str
    model_version: int
    model: str
    history_s: npt.NDArray[np.float64]
    history_counts: npt.NDArray[np.int64]
    examples: tuple[Example, ...] = ()
    failures: tuple[str, ...] = field(default=())

    @property
    def shots(self) -> int:
        """Shots with a row: classified, without a hit or skipped."""
        return int(self.counts.sum()) + sum(self.skipped.values())


def encode(snapshot: Snapshot) -> bytes:
    """Pack a snapshot into one message.

    Patterns are sent as float16 photons (exact up to 2048 photons a pixel,
    clipped at 65504): windows draw them, nobody computes with them.
    """
    body = {
        item.name: _plain(getattr(snapshot, item.name))
        for item in dataclasses.fields(snapshot)
        if item.name != "examples"
    }
    body["examples"] = [_pack_example(example) for example in snapshot.examples]
    packed: bytes = msgpack.packb({"schema": SCHEMA, **body})
    return packed


def decode(message: bytes) -> Snapshot:
    """Unpack and check one message.

    Raises
    ------
    MessageError
        If the bytes are not a snapshot of this schema: too large, not msgpack,
        another version, missing or foreign fields, wrong types, shapes or
        data types, lengths that do not belong together.
    """
    if len(message) > LARGEST_MESSAGE_BYTES:
        raise MessageError(
            f"message of {len(message)} bytes, at most {LARGEST_MESSAGE_BYTES} allowed"
        )
    body = _unpack_map(message)
    version = body.pop("schema", None)
    if version != SCHEMA:
        raise MessageError(
            f"the run speaks message schema {version!r}, this window {SCHEMA}; "
            "start both from the same specklenn version"
        )
    try:
        return _snapshot(body)
    except MessageError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MessageError(f"not a complete snapshot: {error!r}") from error


def _pack_example(example: Example) -> dict[str, Any]:
    body = {
        item.name: _plain(getattr(example, item.name))
        for item in dataclasses.fields(example)
        if item.name != "pattern"
    }
    limit = float(np.finfo(np.float16).max)
    clipped = np.clip(example.pattern, -limit, limit).astype(np.float16)
    return {**body, "pattern": _plain(clipped)}


def _plain(value: Any) -> Any:
    """Turn arrays and records into what msgpack knows."""
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        return {
            "dtype": little.dtype.str,
            "shape": list(little.shape),
            "data": little.tobytes(),
        }
    if isinstance(value, RankStatus):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _unpack_map(message: bytes) -> dict[str, Any]:
    try:
        body = msgpack.unpackb(message, max_ext_len=0, strict_map_key=True)
    except Exception as error:  # msgpack raises a dozen unrelated kinds
        raise MessageError(f"not a msgpack message: {error}") from error
    if not isinstance(body, dict):
        raise MessageError(f"a map expected, a {type(body).__name__} found")
    return body


def _snapshot(body: dict[str, Any]) -> Snapshot:
    snapshot = Snapshot(
        classes=_texts(body.pop("classes")),
        support_classes=_texts(body.pop("support_classes")),
        counts=_array(body.pop("counts"), "<i8", 1),
        latency_edges_ms=_array(body.pop("latency_edges_ms"), "<f8", 1),
        latency_counts=_array(body.pop("latency_counts"), "<i8", 1),
        history_s=_array(body.pop("history_s"), "<f8", 1),
        history_counts=_array(body.pop("history_counts"), "<i8", 2),
        skipped={
            _text(k): _count(v) for k, v in _checked(body.pop("skipped"), dict).items()
        },
        ranks=tuple(_rank(item) for item in _checked(body.pop("ranks"), list)),
        examples=tuple(_example(item) for item in _checked(body.pop("examples"), list)),
        failures=_texts(body.pop("failures")),
        session=_text(body.pop("session")),
        sequence=_count(body.pop("sequence")),
        wall_ns=_count(body.pop("wall_ns")),
        state=_text(body.pop("state")),
        experiment=_text(body.pop("experiment")),
        run=_text(body.pop("run")),
        expected_shots=_count(body.pop("expected_shots")),
        missed_shots=_count(body.pop("missed_shots")),
        support_version=_count(body.pop("support_version")),
        support_hash=_text(body.pop("support_hash")),
        model_version=_count(body.pop("model_version")),
        model=_text(body.pop("model")),
    )
    if body:
        raise MessageError(f"unknown fields {sorted(map(str, body))}")
    _check_lengths(snapshot)
    return snapshot


def _check_lengths(snapshot: Snapshot) -> None:
    if snapshot.state not in RUN_STATES:
        raise MessageError(f"state {snapshot.state!r}, one of {RUN_STATES} expected")
    number = len(snapshot.classes)
    times = len(snapshot.history_s)
    if snapshot.counts.shape != (number,):
        raise MessageError(f"{len(snapshot.counts)} counts for {number} classes")
    if snapshot.history_counts.shape != (times, number):
        raise MessageError(
            f"history of shape {snapshot.history_counts.shape}, "
            f"({times}, {number}) expected"
        )
    if len(snapshot.latency_edges_ms) != len(snapshot.latency_counts) + 1:
        raise MessageError("latency histogram: one edge more than bins expected")
    for example in snapshot.examples:
        if len(example.distances) != len(snapshot.support_classes):
            raise MessageError(
                f"{len(example.distances)} distances "
                f"for {len(snapshot.support_classes)} support classes"
            )
        if example.label not in snapshot.classes:
            raise MessageError(f"example of unknown class {example.label!r}")


def _rank(body: Any) -> RankStatus:
    values = dict(_checked(body, dict))
    status = RankStatus(
        rank=_count(values.pop("rank")),
        host=_text(values.pop("host")),
        shots=_count(values.pop("shots")),
        silent_s=_number(values.pop("silent_s")),
        failure=_text(values.pop("failure")),
    )
    if values:
        raise MessageError(f"unknown fields of a rank {sorted(map(str, values))}")
    return status


def _example(body: Any) -> Example:
    values = dict(_checked(body, dict))
    pattern = _array(values.pop("pattern"), "<f2", 2).astype(np.float32)
    distances = _checked(values.pop("distances"), list)
    example = Example(
        index=_count(values.pop("index")),
        timestamp_ns=_count(values.pop("timestamp_ns")),
        label=_text(values.pop("label")),
        score=_number(values.pop("score")),
        distances=tuple(_number(item) for item in distances),
        photons=_number(values.pop("photons")),
        rank=_count(values.pop("rank")),
        pattern=pattern,
    )
    if values:
        raise MessageError(f"unknown fields of an example {sorted(map(str, values))}")
    return example


def _array(body: Any, dtype: str, dimensions: int) -> npt.NDArray[Any]:
    values = _checked(body, dict)
    found, shape, data = values["dtype"], values["shape"], values["data"]
    if found not in ALLOWED_DTYPES or found != dtype:
        raise MessageError(f"array of data type {found!r}, {dtype!r} expected")
    sides = tuple(_count(side) for side in _checked(shape, list))
    if len(sides) != dimensions or any(side > LARGEST_ARRAY_SIDE for side in sides):
        raise MessageError(f"array of shape {sides}, {dimensions} dimensions expected")
    size = math.prod(sides) * np.dtype(dtype).itemsize
    if len(_checked(data, bytes)) != size:
        raise MessageError(f"array of {len(data)} bytes, {size} expected")
    return np.frombuffer(data, dtype).reshape(sides)


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise MessageError(f"{kind.__name__} expected, {type(value).__name__} found")
    return value


def _text(value: Any) -> str:
    text: str = _checked(value, str)
    return text


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _checked(value, list))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MessageError(f"a count expected, {value!r} found")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MessageError(f"a number expected, {value!r} found")
    return float(value)
