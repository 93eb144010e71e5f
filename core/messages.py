"""What the collector tells the windows: one complete snapshot in one message.

A snapshot is state, not difference: its counters only grow, so a window that
misses messages loses nothing, and one that starts late sees the whole run and
its last ten minutes. The wire format is a single msgpack map of the fields below
and of ``schema``; arrays are sent as ``{"dtype", "shape", "data"}``. Decoding checks
everything that arrives.

The windows import this module and `specklenn.core.intervals` and no other of
specklenn; it needs NumPy and msgspec and nothing else.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from specklenn.core.message_arrays import element_type, to_message, unpack_array

SCHEMA = 3
"""Version of the message layout; a window refuses any other with a sentence."""

LARGEST_MESSAGE_BYTES = 32 * 1024 * 1024

RUN_STATES = ("waiting", "running", "finished", "failed")

Count = Annotated[int, msgspec.Meta(ge=0)]
Pattern = npt.NDArray[np.float32]
Body = TypeVar("Body")


class MessageError(ValueError):
    """Bytes that are not a message this version can read."""


class RankStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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

    rank: Count
    host: str
    shots: Count
    silent_s: float
    failure: str


class Example(
    msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True
):
    """One classified shot with its pattern, for people to look at.

    Parameters
    ----------
    index : int
        Shot index in the run.
    timestamp_ns : int
        Unix epoch, nanoseconds; 0 where the data do not say.
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
        Rank that classified it.
    pattern : (h, w) float32, photons per pixel
        The crop that the network saw, before normalisation; NaN where masked.
        Row 0 is the top of the picture.
    """

    index: Count
    timestamp_ns: Count
    label: str
    score: float
    distances: tuple[float, ...]
    photons: float
    rank: Count
    pattern: Pattern


class VersionStatus(
    msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True
):
    """A model with its rule and a support set, and what it made of its shots.

    Parameters
    ----------
    model_version : int
        Number of the model in this run, 1 at the start.
    model : str
        Its name.
    rule : str
        How supports decide.
    support_version : int
        Version of the support set.
    support_hash : str
        Start of its content hash.
    fit_version : int
        Number of the fit to hits of the run, 0 for the supports alone.
    since_ns : tuple of int
        When it was taken into use, each time; Unix epoch, nanoseconds.
    counts : (classes,) int64
        Shots per class that it classified, in the order of `Snapshot.classes`.
    skips : int
        Shots that could not be classified meanwhile.
    """

    model_version: Count
    model: str
    rule: str
    support_version: Count
    support_hash: str
    fit_version: Count
    since_ns: tuple[Count, ...]
    counts: npt.NDArray[np.int64]
    skips: Count


class Snapshot(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    eq=False,
    forbid_unknown_fields=True,
    tag_field="schema",
    tag=SCHEMA,
):
    """Everything a window needs to draw the run as it stands now.

    Parameters
    ----------
    session : str
        Identifies one start of the collector; another value means a restart.
    sequence : int
        Messages of the session up to this one.
    wall_ns : int
        Collector's clock when the snapshot was taken, Unix epoch, nanoseconds.
    state : str
        One of `RUN_STATES`. A run that finished is not stale.
    experiment : str
        Name for the title.
    run : str
        Number of the run, for the title.
    classes : tuple of str
        Every label a shot can get, in display order.
    counts : (classes,) int64
        Shots per class since the start of the session.
    support_classes : tuple of str
        The classes that have supports, in the order of `Example.distances`.
    expected_shots : int
        Shots in the run, 0 where nobody can know (live streams).
    missed_shots : int
        Shots that live sources lost before a worker took them.
    skipped : dict of str to int
        Shots that could not be classified, per reason.
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
    fit_version : int
        Number of the fit to hits of the run in use, 0 for the supports alone.
    versions : tuple of VersionStatus
        What classified the shots of the run so far, by first use; of very many the
        last ones. All shots of one are its own, also where it was used again.
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
    sequence: Count
    wall_ns: Count
    state: str
    experiment: str
    run: str
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    support_classes: tuple[str, ...]
    expected_shots: Count
    missed_shots: Count
    skipped: dict[str, Count]
    latency_edges_ms: npt.NDArray[np.float64]
    latency_counts: npt.NDArray[np.int64]
    ranks: tuple[RankStatus, ...]
    support_version: Count
    support_hash: str
    model_version: Count
    model: str
    fit_version: Count
    versions: tuple[VersionStatus, ...]
    history_s: npt.NDArray[np.float64]
    history_counts: npt.NDArray[np.int64]
    examples: tuple[Example, ...]
    failures: tuple[str, ...]

    @property
    def shots(self) -> int:
        """Shots with a row: classified, without a hit or skipped."""
        return int(self.counts.sum()) + sum(self.skipped.values())


def encode(snapshot: Snapshot) -> bytes:
    """Pack a snapshot into one message.

    Patterns are sent as float16 photons (exact up to 2048 photons a pixel,
    clipped at 65504): windows draw them, nobody computes with them.
    """
    return _ENCODER.encode(snapshot)


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
    found = _unpacked(_SCHEMA_DECODER, message).schema
    if found != SCHEMA:
        raise MessageError(
            f"the run speaks message schema {found!r}, this window {SCHEMA}; "
            "start both from the same specklenn version"
        )
    snapshot = _unpacked(_DECODER, message)
    _check_shapes(snapshot)
    return snapshot


class _AnySchema(msgspec.Struct):
    """What is read of a message whose version is not known yet."""

    schema: Any = None


def _unpacked(decoder: msgspec.msgpack.Decoder[Body], message: bytes) -> Body:
    try:
        return decoder.decode(message)
    except msgspec.ValidationError as error:
        raise MessageError(f"not a complete snapshot: {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise MessageError(f"not a msgpack message: {error}") from error


def _check_shapes(snapshot: Snapshot) -> None:
    """Check what the fields' types do not say: which lengths belong together."""
    if snapshot.state not in RUN_STATES:
        raise MessageError(f"state {snapshot.state!r}, one of {RUN_STATES} expected")
    number, times = len(snapshot.classes), snapshot.history_s.size
    bins = snapshot.latency_counts.size
    for name, shape in (
        ("counts", (number,)),
        ("history_s", (times,)),
        ("history_counts", (times, number)),
        ("latency_counts", (bins,)),
        ("latency_edges_ms", (bins + 1,)),
    ):
        found = getattr(snapshot, name).shape
        if found != shape:
            raise MessageError(f"{name} of shape {found}, {shape} expected")
    for version in snapshot.versions:
        if version.counts.shape != (number,):
            raise MessageError(
                f"counts of a version of shape {version.counts.shape}, "
                f"{(number,)} expected"
            )
    for example in snapshot.examples:
        _check_example(example, snapshot)


def _check_example(example: Example, snapshot: Snapshot) -> None:
    if len(example.distances) != len(snapshot.support_classes):
        raise MessageError(
            f"{len(example.distances)} distances "
            f"for {len(snapshot.support_classes)} support classes"
        )
    if example.label not in snapshot.classes:
        raise MessageError(f"example of unknown class {example.label!r}")
    if example.pattern.ndim != 2:
        raise MessageError(f"a pattern of shape {example.pattern.shape}")


def _to_message(value: Any) -> Any:
    """Turn arrays into what msgpack knows, patterns with fewer digits."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        limit = np.finfo(np.float16).max
        value = np.clip(value, -limit, limit).astype(np.float16)
    return to_message(value)


def _from_message(kind: Any, body: Any) -> npt.NDArray[Any]:
    expected = element_type(kind)
    if expected is np.float32:  # patterns alone
        return unpack_array(np.float16, body).astype(np.float32)
    return unpack_array(expected, body)


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_to_message)
_SCHEMA_DECODER = msgspec.msgpack.Decoder(_AnySchema)
_DECODER = msgspec.msgpack.Decoder(Snapshot, dec_hook=_from_message)
