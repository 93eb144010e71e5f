"""What workers send: rows as raw buffers, some frames and some pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from specklenn.core.rows import Rows, row_dtype


@dataclass(frozen=True, kw_only=True, eq=False)
class Attached:
    """Pictures that belong to some rows of a report.

    Parameters
    ----------
    positions : (K,) int32
        Rows in the report.
    pictures : (K, H, W) float32, photons per pixel
    """

    positions: npt.NDArray[np.int32]
    pictures: npt.NDArray[np.float32]

    def of(self, kept: npt.NDArray[np.bool_]) -> Attached:
        """Return what belongs to the kept rows, renumbered."""
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Some judged shots.

    Parameters
    ----------
    rows : (B,) records
    missed : int
        Shots this worker has lost since its start (live sources).
    frames : Attached
        Whole frames in photons, to be saved.
    examples : Attached
        Crops in photons, NaN where bad, to be shown.
    """

    rows: Rows
    missed: int = 0
    frames: Attached = field(default=NOTHING)
    examples: Attached = field(default=NOTHING)


def pack_report(report: Report) -> bytes:
    """Turn a report into bytes."""
    packed: bytes = msgpack.packb(
        {
            "rows": report.rows.tobytes(),
            "missed": report.missed,
            "frames": _pack(report.frames),
            "examples": _pack(report.examples),
        }
    )
    return packed


def unpack_report(payload: bytes, support_classes: int) -> Report:
    """Turn bytes into a report; arrays are views of the bytes, rows a copy."""
    body = msgpack.unpackb(payload)
    rows = np.frombuffer(body["rows"], row_dtype(support_classes)).copy()
    return Report(
        rows=rows,
        missed=int(body["missed"]),
        frames=_unpack(body["frames"]),
        examples=_unpack(body["examples"]),
    )


def _pack(attached: Attached) -> list[Any]:
    return [
        attached.positions.tobytes(),
        list(attached.pictures.shape),
        np.ascontiguousarray(attached.pictures).tobytes(),
    ]


def _unpack(body: list[Any]) -> Attached:
    positions, shape, pictures = body
    return Attached(
        positions=np.frombuffer(positions, np.int32),
        pictures=np.frombuffer(pictures, np.float32).reshape(shape),
    )
