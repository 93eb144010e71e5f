"""Which digit gives which label."""

from __future__ import annotations

from collections.abc import Sequence

from specklenn.core.errors import ConfigError
from specklenn.core.labelling.label_file import is_class_name
from specklenn.core.labels import NO_HIT, UNKNOWN

MOST_CLASSES = 8


def label_keys(classes: Sequence[str]) -> dict[str, str]:
    """Return which digit gives which label: 0 no-hit, 1 to 8 the classes, 9 unknown.

    Raises
    ------
    ConfigError
        If there are too many classes, one stands twice, or one has no proper name.
    """
    problems = [
        f"--classes: {name!r} found, a name of letters, digits and _ +.- expected, "
        "not of digits alone"
        for name in classes
        if not is_class_name(name)
    ]
    if not 1 <= len(classes) <= MOST_CLASSES or len(set(classes)) < len(classes):
        problems.append(
            f"--classes: {', '.join(classes)} found, 1 to {MOST_CLASSES} different "
            "classes expected"
        )
    if reserved := {NO_HIT, UNKNOWN}.intersection(classes):
        problems.append(f"--classes: {' and '.join(sorted(reserved))} are always there")
    if problems:
        raise ConfigError(*problems)
    numbered = {str(number): name for number, name in enumerate(classes, 1)}
    return {**numbered, "0": NO_HIT, "9": UNKNOWN}
