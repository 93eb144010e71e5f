"""What cannot be evaluated is refused before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specklenn.core.data.labelled_dataset import NAME
from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.labelled_file import LabelledFile

SHOWN_SHARED = 3
SHOWN_SAMPLES = 6
"""Names in a message."""


def check_classes(file: LabelledFile, classes: Sequence[str]) -> None:
    """Refuse classes that cannot be told apart with these data.

    Raises
    ------
    ConfigError
        If there is only one, one stands twice, or the file has no pattern of one.
    """
    parts = [part for name in classes for part in name.split("+")]
    if len(classes) < 2:
        raise ConfigError(f"--classes: {classes[0]} alone, at least two expected")
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise ConfigError(f"--classes: {_listed(twice)} found more than once")
    there = sorted(set(file.labels.tolist()))
    unknown = [part for part in parts if part not in there]
    if unknown:
        raise ConfigError(
            f"--classes: no pattern of {_listed(unknown)} in {file.path}; its labels "
            f"are {_listed(there)}"
        )


def check_samples(file: LabelledFile, wanted: Sequence[str]) -> None:
    """Refuse maps of samples that are not in a file.

    Raises
    ------
    ConfigError
        If one is not; says which are.
    """
    known = sorted(set(file.names.tolist()))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        more = ", …" if len(known) > SHOWN_SAMPLES else ""
        raise ConfigError(
            f"--tsne: no sample {_listed(unknown)} in {file.path}; its "
            f"samples are {', '.join(known[:SHOWN_SAMPLES])}{more}"
        )


def check_leakage(data: LabelledFile, training: Sequence[LabelledFile]) -> None:
    """Refuse training data with samples that are tested on.

    Raises
    ------
    ConfigError
        If a file has no sample names, or a name is in both.
    """
    for file in (data, *training) if training else ():
        if not file.named:
            raise ConfigError(
                f"--train: {file.path} has no sample names at {NAME}; without "
                "them nobody can tell whether it is trained on what is tested"
            )
    for file in training:
        both = sorted(set(file.names.tolist()) & set(data.names.tolist()))
        if both:
            hidden = len(both) - SHOWN_SHARED
            more = f" and {hidden} more" if hidden > 0 else ""
            raise ConfigError(
                f"--train: {file.path} has {', '.join(both[:SHOWN_SHARED])}{more} of "
                f"{data.path} too; samples that are tested must not be trained on"
            )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
