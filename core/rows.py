"""The result row: one record per shot, from worker to file.

Rows are NumPy structured arrays. `core.pipeline` fills them, the collector adds the
latency. They are sent between processes as raw bytes and are what ``results.h5`` holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NO_CLASS = -1
"""Label code of a shot that was skipped, truth code of one nobody labelled."""

NO_TIME = np.iinfo(np.int64).min
"""Time of a shot whose data have none: what NumPy calls NaT."""

Rows = npt.NDArray[Any]

FIELDS = {
    "index": "shot index in the run",
    "timestamp_ns": "when the shot happened, Unix epoch, nanoseconds; NaT where the "
    "data do not say: its view as datetime64[ns] has times and NaT",
    "arrived_ns": "when the shot reached us (live: its own time), Unix epoch, ns",
    "run": "run number",
    "label": "code into the classes, -1 where skipped",
    "truth": "code into the classes of the label in the data, -1 where none",
    "score": "probability of the best of the supported classes, 0 to 1; "
    "NaN where the shot never reached the network",
    "distances": "distance to each supported class, in units of the rule; "
    "NaN where the shot never reached the network",
    "photons": "photons on the good pixels of the crop",
    "lit_pixels": "pixels of the crop above the hit finder's threshold",
    "flags": "bits, see specklenn.core.flags",
    "rank": "rank that classified the shot",
    "latency_ms": "from arrived_ns to the row at the collector, milliseconds",
    "support_version": "version of the support set that the shot was classified by",
    "model_version": "number of the model that the shot was classified by, 1 at the "
    "start; see the dataset versions",
    "fit_version": "number of the fit to supports and hits of the run that the shot "
    "was classified by, 0 for the supports alone; see the dataset versions",
}
"""What each field means, with its unit; stored in ``results.h5``."""


def row_dtype(support_classes: int) -> np.dtype[Any]:
    """Return the record type for this many supported classes."""
    return np.dtype(
        [
            ("index", "<i8"),
            ("timestamp_ns", "<i8"),
            ("arrived_ns", "<u8"),
            ("run", "<u4"),
            ("label", "<i1"),
            ("truth", "<i1"),
            ("score", "<f4"),
            ("distances", "<f4", (support_classes,)),
            ("photons", "<f4"),
            ("lit_pixels", "<i4"),
            ("flags", "<u2"),
            ("rank", "<u2"),
            ("latency_ms", "<f4"),
            ("support_version", "<u4"),
            ("model_version", "<u4"),
            ("fit_version", "<u4"),
        ]
    )


VERSION_FIELDS = ["model_version", "support_version", "fit_version"]
"""Of a row: together they say what classified it."""


def empty_rows(number: int, support_classes: int) -> Rows:
    """Return rows of shots that are not classified yet."""
    rows = np.zeros(number, row_dtype(support_classes))
    rows["timestamp_ns"] = NO_TIME
    rows["label"] = NO_CLASS
    rows["truth"] = NO_CLASS
    rows["score"] = np.nan
    rows["distances"] = np.nan
    return rows


def row_times(timestamps_ns: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Turn times of shots (B,), 0 where not known, into those of rows."""
    known = (timestamps_ns > 0) & (timestamps_ns < 2**63)
    times: npt.NDArray[np.int64] = timestamps_ns.astype(np.int64)
    times[~known] = NO_TIME
    return times


def known_times(rows: Rows) -> npt.NDArray[np.uint64]:
    """Return the times of rows (B,), ns, Unix epoch, 0 where they are not known."""
    times: npt.NDArray[np.uint64] = np.maximum(rows["timestamp_ns"], 0).astype("u8")
    return times


def class_codes(
    labels: npt.NDArray[np.str_], classes: Sequence[str]
) -> npt.NDArray[np.int8]:
    """Turn labels (B,) into codes; labels that are no class become `NO_CLASS`."""
    codes = np.full(len(labels), NO_CLASS, np.int8)
    for code, name in enumerate(classes):
        codes[labels == name] = code
    return codes


def class_names(
    codes: npt.NDArray[np.int8], classes: Sequence[str]
) -> npt.NDArray[np.str_]:
    """Turn codes (B,) into labels (B,) str; `NO_CLASS` becomes an empty text."""
    return np.array((*classes, ""))[np.asarray(codes, np.int64)]


def by_class(
    what: str, support_classes: Sequence[str], values: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Name the columns of values (B, support classes), as "distance single-hit"."""
    return {
        f"{what} {name}": values[:, number]
        for number, name in enumerate(support_classes)
    }
