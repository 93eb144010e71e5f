"""Files of labels, all JSON: ours, and maps from event to label.

All are read by the same function::

    {"data": {"path": "/data/run.cxi", "bytes": 5120, ...},
     "labels": {"12": "single-hit", "31": "non-sample-hit"}}   ours, run.labels.json
    {"12": "single-hit", "31": "non-sample-hit"}               ours, of earlier versions
    {"12": "1", "31": "0"}                                     amo06516_0094.label.json

Events are positions in the run, from 0. The order is that of labelling. Ours says
what the labels belong to (`core.labelling.data_identity`). The last form is
psocake's: codes (`core.labelling.label_codes`). Labels without a code, as classes of
the user's own, are written there as unknown; our file beside it keeps what they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from specklenn.core.data.atomic import replacing
from specklenn.core.errors import DataError
from specklenn.core.labelling.data_identity import DataIdentity, LabelledData
from specklenn.core.labelling.label_codes import code_of
from specklenn.core.labels import AUTHORS_CODES
from specklenn.core.support import ClassName

Labels = dict[int, str]
Pairs = list[tuple[str, Any]]

PSOCAKE_ENDING = ".label.json"

MOST_PROBLEMS = 20
"""Problems that are listed one by one; the others are counted."""

LONGEST_NUMBER = 18
"""Digits of a number of a shot; more would not fit into 64 bits."""

_CLASS_NAME = TypeAdapter(ClassName)


@dataclass(frozen=True, kw_only=True)
class LabelFile:
    """What a file of labels holds.

    Parameters
    ----------
    labels : dict of event to label
    belongs_to : DataIdentity or None
        What they were given to; None where the file does not say.
    coded : bool
        Whether it is a file of codes, as psocake's.
    note : str
        What a user should know, empty if nothing.
    """

    labels: Labels
    belongs_to: DataIdentity | None
    coded: bool
    note: str


def read_labels(
    path: Path, data: LabelledData, codes: Mapping[str, str] = AUTHORS_CODES
) -> LabelFile:
    """Read the labels of a run; codes become names.

    Parameters
    ----------
    path : Path
        JSON file.
    data : LabelledData
        What the labels should belong to. A file that does not say it is taken where
        it is called like the data, or has psocake's form, which has no place for it.
    codes : dict of code to label

    Raises
    ------
    DataError
        If they belong to other data; else with every problem found: events that do
        not exist or stand twice, unknown codes, values that are no names of classes.
    """
    belongs_to, pairs = _parts(path, _read_pairs(path))
    coded = _all_codes(pairs)
    note = _checked_origin(path, belongs_to, data, coded)
    labels: Labels = {}
    problems: list[str] = []
    for event, value in pairs:
        wrong = _event_problem(event, data.shots) or _value_problem(value, codes)
        if not wrong and int(event) in labels:
            wrong = "stands twice"
        if wrong:
            problems.append(f"{path}: event {event}: {wrong}")
        else:
            labels[int(event)] = codes.get(value, value)
    if problems:
        raise DataError("\n".join(_shortened(problems)))
    return LabelFile(labels=labels, belongs_to=belongs_to, coded=coded, note=note)


def write_labels(
    path: Path,
    labels: Mapping[int, str],
    data: DataIdentity,
    psocake_path: Path | None = None,
    codes: Mapping[str, str] = AUTHORS_CODES,
) -> None:
    """Write labels by name, and for psocake too; the files are replaced as a whole.

    Parameters
    ----------
    path : Path
    labels : dict of event to class name
    data : DataIdentity
        What they belong to.
    psocake_path : Path, optional
    codes : dict of code to label

    Raises
    ------
    DataError
        If a file cannot be written; older files stay as they are.
    """
    named = {str(event): label for event, label in labels.items()}
    given = {event: code_of(label, codes) for event, label in named.items()}
    coded = {event: code for event, code in given.items() if code is not None}
    ours = {"data": data.model_dump(exclude_none=True), "labels": named}
    targets = [path] if psocake_path is None else [path, psocake_path]
    with replacing(*targets) as parts:
        for part, content in zip(parts, (ours, coded), strict=False):
            part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def is_coded(path: Path) -> bool:
    """Return whether a file is there and holds codes alone, as psocake's.

    Raises
    ------
    DataError
        If it is no file of labels.
    """
    if not path.exists():
        return False
    return _all_codes(_parts(path, _read_pairs(path))[1])


def label_file_name(data: Path) -> str:
    """Return how the labels of a file of data are called.

    >>> label_file_name(Path("/data/run.cxi"))
    'run.labels.json'
    """
    return f"{data.stem}.labels.json"


def psocake_file_name(experiment: str, run: int) -> str:
    """Return how psocake calls the labels of a run.

    >>> psocake_file_name("amo06516", 94)
    'amo06516_0094.label.json'
    """
    return f"{experiment}_{run:04d}{PSOCAKE_ENDING}"


def is_class_name(text: Any) -> bool:
    """Return whether a class may be called so; digits alone are psocake's codes."""
    try:
        name: str = _CLASS_NAME.validate_python(text, strict=True)
    except ValidationError:
        return False
    return not name.isdecimal()


def _read_pairs(path: Path) -> Pairs:
    try:
        pairs = json.loads(path.read_text("utf-8"), object_pairs_hook=list)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON: {error}") from error
    return _as_pairs(path, pairs)


def _as_pairs(path: Path, found: Any) -> Pairs:
    # An empty list is JSON too, but cannot be told from an empty map here.
    if not isinstance(found, list) or not all(isinstance(p, tuple) for p in found):
        raise DataError(f"{path}: a map from event to label expected")
    return found


def _parts(path: Path, pairs: Pairs) -> tuple[DataIdentity | None, Pairs]:
    """Return what labels belong to, if the file says it, and the labels."""
    keys = [key for key, _ in pairs]
    if sorted(keys) != ["data", "labels"]:
        return None, pairs
    parts = {key: _as_pairs(path, value) for key, value in pairs}
    values = dict(parts["data"])
    if isinstance(values.get("frames"), list):
        values["frames"] = dict(_as_pairs(path, values["frames"]))
    try:
        return DataIdentity.model_validate(values), parts["labels"]
    except ValidationError as error:
        (first, *_) = error.errors()
        key = ".".join(map(str, ("data", *first["loc"])))
        raise DataError(f"{path}: {key}: {first['msg']}") from error


def _all_codes(pairs: Pairs) -> bool:
    codes = [isinstance(value, str) and value.isdecimal() for _, value in pairs]
    return bool(codes) and all(codes)


def _is_code(value: Any, codes: Mapping[str, str]) -> bool:
    return isinstance(value, str) and value in codes


def _checked_origin(
    path: Path, belongs_to: DataIdentity | None, data: LabelledData, coded: bool
) -> str:
    """Refuse labels of other data; return what to say of labels of unknown origin."""
    if belongs_to is not None:
        if why := data.mismatch(belongs_to):
            raise DataError(
                f"{path}: labels of {belongs_to.title}, labels of {data.path} "
                f"expected: {why}"
            )
        return ""
    expected = label_file_name(data.path)
    if not coded and path.name != expected:
        raise DataError(
            f"{path}: does not say to which data its labels belong; if they are of "
            f"{data.path}, call the file {expected}"
        )
    return f"{path}: does not say to which data it belongs; taken for {data.path}"


def _event_problem(event: str, shots: int) -> str:
    if not (event.isascii() and event.isdecimal()):
        return "no number of a shot"
    if len(event) > LONGEST_NUMBER or int(event) >= shots:
        return f"does not exist, the run has shots 0 to {shots - 1}"
    return ""


def _value_problem(value: Any, codes: Mapping[str, str]) -> str:
    if is_class_name(value) or _is_code(value, codes):
        return ""
    known = ", ".join(f'"{code}" {label}' for code, label in codes.items())
    return f"{value!r} found, a class or one of {known} expected"


def _shortened(problems: list[str]) -> list[str]:
    more = len(problems) - MOST_PROBLEMS
    rest = [f"and {more} problems more"] if more > 0 else []
    return [*problems[:MOST_PROBLEMS], *rest]
