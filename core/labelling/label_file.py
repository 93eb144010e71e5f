"""Files of labels: a JSON map from event to the name of a class, or psocake's code.

Both are read by the same function::

    {"12": "single-hit", "31": "non-sample-hit"}      ours, run.labels.json
    {"12": "1", "31": "3"}                            amo06516_0094.label.json

Events are positions in the run, from 0. The order is that of labelling.

psocake has four codes and none for non-sample-hits or classes of the user's own.
Those are written as ``"3"``, unknown; our file beside it keeps what they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NO_HIT, SINGLE_HIT, UNKNOWN
from specklenn.core.support import ClassName

Labels = dict[int, str]

PSOCAKE_LABELS = {"0": NO_HIT, "1": SINGLE_HIT, "2": MULTI_HIT, "3": UNKNOWN}
"""What psocake's codes mean."""

_PSOCAKE_CODES = {label: code for code, label in PSOCAKE_LABELS.items()}

MOST_PROBLEMS = 20
"""Problems that are listed one by one; the others are counted."""

LONGEST_NUMBER = 18
"""Digits of a number of a shot; more would not fit into 64 bits."""

_CLASS_NAME = TypeAdapter(ClassName)


def read_labels(path: Path, shots: int) -> Labels:
    """Read labels of a run; psocake's codes become names.

    Parameters
    ----------
    path : Path
        JSON file.
    shots : int
        Shots in the run.

    Raises
    ------
    DataError
        With every problem found: events that do not exist or stand twice, unknown
        codes, values that are no names of classes.
    """
    labels: Labels = {}
    problems: list[str] = []
    for event, value in _read_pairs(path):
        wrong = _event_problem(event, shots) or _value_problem(value)
        if not wrong and int(event) in labels:
            wrong = "stands twice"
        if wrong:
            problems.append(f"{path}: event {event}: {wrong}")
        else:
            labels[int(event)] = PSOCAKE_LABELS.get(value, value)
    if problems:
        raise DataError("\n".join(_shortened(problems)))
    return labels


def write_labels(
    path: Path, labels: Mapping[int, str], psocake_path: Path | None = None
) -> None:
    """Write labels by name, and for psocake too; the files are replaced as a whole.

    Parameters
    ----------
    path : Path
    labels : dict of event to class name
    psocake_path : Path, optional

    Raises
    ------
    DataError
        If a file cannot be written; older files stay as they are.
    """
    named = {str(event): label for event, label in labels.items()}
    coded = {event: psocake_code(label) for event, label in named.items()}
    targets = [path] if psocake_path is None else [path, psocake_path]
    with replacing(*targets) as parts:
        for part, content in zip(parts, (named, coded), strict=False):
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def psocake_file_name(experiment: str, run: int) -> str:
    """Return how psocake calls the labels of a run.

    >>> psocake_file_name("amo06516", 94)
    'amo06516_0094.label.json'
    """
    return f"{experiment}_{run:04d}.label.json"


def psocake_code(label: str) -> str:
    """Return psocake's code of a label; ``"3"`` for what psocake does not know.

    >>> [psocake_code(label) for label in ("single-hit", "non-sample-hit")]
    ['1', '3']
    """
    return _PSOCAKE_CODES.get(label, _PSOCAKE_CODES[UNKNOWN])


def is_class_name(text: Any) -> bool:
    """Return whether a class may be called so; digits alone are psocake's codes."""
    try:
        name: str = _CLASS_NAME.validate_python(text, strict=True)
    except ValidationError:
        return False
    return not name.isdecimal()


def _read_pairs(path: Path) -> list[tuple[str, Any]]:
    try:
        pairs = json.loads(path.read_text("utf-8"), object_pairs_hook=list)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}") from error
    # An empty list is JSON too, but cannot be told from an empty map here.
    if not isinstance(pairs, list) or not all(isinstance(p, tuple) for p in pairs):
        raise DataError(f"{path}: a map from event to label expected")
    return pairs


def _event_problem(event: str, shots: int) -> str:
    if not (event.isascii() and event.isdecimal()):
        return "no number of a shot"
    if len(event) > LONGEST_NUMBER or int(event) >= shots:
        return f"does not exist, the run has shots 0 to {shots - 1}"
    return ""


def _value_problem(value: Any) -> str:
    if is_class_name(value) or (isinstance(value, str) and value in PSOCAKE_LABELS):
        return ""
    codes = ", ".join(f'"{code}" {label}' for code, label in PSOCAKE_LABELS.items())
    return f"{value!r} found, a class or one of {codes} expected"


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - MOST_PROBLEMS
    rest = [f"and {more} problems more"] if more > 0 else []
    return [*problems[:MOST_PROBLEMS], *rest]
