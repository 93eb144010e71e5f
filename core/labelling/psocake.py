"""psocake's labels: ``amo06516_0094.label.json``, a map from event to a code.

psocake has four codes and none for non-sample-hits or classes of the user's own.
Those are written as ``"3"``, unknown; the file of names beside it
(`specklenn.core.labelling.label_file`) keeps what they are.
"""

from __future__ import annotations

from specklenn.core.labels import MULTI_HIT, NO_HIT, SINGLE_HIT, UNKNOWN

LABELS = {"0": NO_HIT, "1": SINGLE_HIT, "2": MULTI_HIT, "3": UNKNOWN}
"""What psocake's codes mean."""

_CODES = {label: code for code, label in LABELS.items()}


def file_name(experiment: str, run: int) -> str:
    """Return how psocake calls the labels of a run.

    >>> file_name("amo06516", 94)
    'amo06516_0094.label.json'
    """
    return f"{experiment}_{run:04d}.label.json"


def code(label: str) -> str:
    """Return psocake's code of a label; ``"3"`` for what psocake does not know.

    >>> [code(label) for label in ("single-hit", "non-sample-hit")]
    ['1', '3']
    """
    return _CODES.get(label, _CODES[UNKNOWN])
