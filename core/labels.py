"""The classes of shots that specklenn knows by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SINGLE_HIT = "single-hit"
MULTI_HIT = "multi-hit"
NON_SAMPLE_HIT = "non-sample-hit"
NO_HIT = "no-hit"
UNKNOWN = "unknown"
NEEDS_HELP = "needs-help"

ABSTENTIONS = (UNKNOWN, NEEDS_HELP)
"""What somebody who labels says instead of a class; no class is made of them."""

AUTHORS_CODES: Mapping[str, str] = {
    "0": NON_SAMPLE_HIT,
    "1": SINGLE_HIT,
    "2": MULTI_HIT,
    "3": UNKNOWN,
    "4": NEEDS_HELP,
    "9": NO_HIT,
}
"""What codes mean in the files of labels of the paper's authors, which are public."""

SIMULATED = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT, NO_HIT)
"""The classes that the simulator makes, in display order."""

STANDARD = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT, NO_HIT, UNKNOWN)


def all_classes(support_classes: Sequence[str]) -> tuple[str, ...]:
    """Return every label that a run with these supports can give, in display order.

    The standard hits come first, then classes of the user's own, then `NO_HIT`
    from the hit finder and `UNKNOWN` from rejection, which need no supports.
    """
    hits = [name for name in STANDARD[:3] if name in support_classes]
    own = [name for name in support_classes if name not in STANDARD]
    return (*hits, *own, NO_HIT, UNKNOWN)
