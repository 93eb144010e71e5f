"""What workers send: rows as raw buffers, some frames and some pictures."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt

from specklenn.core.message_arrays import element_type, from_message, to_message
from specklenn.core.rows import Rows, row_dtype


class Attached(
    msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True
):
    """Pictures that belong to some rows of a report.

    Parameters
    ----------
    positions : (K,) int32
        Rows in the report.
    pictures : (K, H, W) float32
        Photons per pixel, but for `Report.sampled`.
    """

    positions: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.float32]

    def only(self, kept: npt.NDArray[np.bool_]) -> Attached:
        """Return what belongs to the kept rows (B,), with their new positions."""
        chosen = kept[self.positions]
        new = np.cumsum(kept) - 1
        return Attached(
            positions=new[self.positions[chosen]].astype(np.int32),
            pictures=self.pictures[chosen],
        )


def attach(positions: npt.NDArray[Any], pictures: npt.NDArray[Any]) -> Attached:
    """Attach pictures to rows."""
    return Attached(
        positions=np.asarray(positions, np.int32),
        pictures=np.asarray(pictures, np.float32),
    )


NOTHING = attach(np.zeros(0), np.zeros((0, 1, 1)))


class Report(
    msgspec.Struct, frozen=True, kw_only=True, eq=False, forbid_unknown_fields=True
):
    """Some classified shots.

    Parameters
    ----------
    rows : (B,) records
    missed : int
        Shots this worker has lost since its start (live sources).
    frames : Attached
        Whole frames in photons, to be saved.
    examples : Attached
        Crops in photons, NaN where bad, to be shown.
    sampled : Attached
        Hits for the sample of the run, as the network sees them, see
        `specklenn.core.hit_sample`.
    """

    rows: Rows
    missed: Annotated[int, msgspec.Meta(ge=0)] = 0
    frames: Attached = NOTHING
    examples: Attached = NOTHING
    sampled: Attached = NOTHING

    def only(self, kept: npt.NDArray[np.bool_]) -> Report:
        """Return the kept rows (B,) with what belongs to them."""
        if kept.all():
            return self
        return Report(
            rows=self.rows[kept],
            missed=self.missed,
            frames=self.frames.only(kept),
            examples=self.examples.only(kept),
            sampled=self.sampled.only(kept),
        )


def pack_report(report: Report) -> bytes:
    """Turn a report into bytes."""
    return msgspec.msgpack.encode(report, enc_hook=_to_message)


def unpack_report(payload: bytes, support_classes: int) -> Report:
    """Turn bytes into a report; arrays are views of the bytes, rows a copy.

    Raises
    ------
    ValueError
        If they are none.
    """

    def from_worker(kind: Any, body: Any) -> npt.NDArray[Any]:
        if element_type(kind) is Any:  # rows alone
            return np.frombuffer(body, row_dtype(support_classes)).copy()
        return from_message(kind, body)

    return msgspec.msgpack.decode(payload, type=Report, dec_hook=from_worker)


def _to_message(value: Any) -> Any:
    """Turn arrays into what msgpack knows; of rows both sides know the data type."""
    is_rows = isinstance(value, np.ndarray) and value.dtype.names is not None
    return value.tobytes() if is_rows else to_message(value)
