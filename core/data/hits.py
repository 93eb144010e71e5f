"""The file ``hits.cxi``: a labelled dataset of the frames that a run has kept.

Beside the labels and times it has what the rows of these shots say, a value for each
frame, and the dataset ``versions`` of ``results.h5``.
"""

from __future__ import annotations

HITS = "hits.cxi"

INDEX = "/entry_1/event_1/index"
SCORE = "/entry_1/result_1/score"

OF_ROWS = {
    "index": INDEX,
    "score": SCORE,
    "photons": "/entry_1/result_1/photons",
    "model_version": "/entry_1/result_1/model_version",
    "support_version": "/entry_1/result_1/support_version",
}
"""Fields of the rows, see `specklenn.core.rows`, and where each stands."""

MODULES = "modules"
"""Attribute of the frames: how many modules lie on top of each other in each."""
