"""Versions of a run: which model, supports and fit classified its shots, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

LARGEST_NUMBER = 2**32 - 1
"""What a row has room for."""

ModelNumber = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_NUMBER)]
SupportNumber = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_NUMBER)]
FitNumber = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_NUMBER)]


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model with its rule and a support set, in use from some time on.

    The numbers of model, supports and fit, which every row carries, mean one content
    within a run: what comes back has its old numbers again.

    Parameters
    ----------
    number : int
        Number of the update in this run, from 1; refused updates use up numbers.
    model_version : int
        Number of the model and rule in this run, from 1.
    model : str
        Name of the model.
    weights_sha256 : str
        SHA-256 of the weights file.
    rule : str
        How supports decide, see `specklenn.core.distances.Classification`.
    support_version : int
        Version in the support set; another if other supports of this run have it.
    support_hash : str
        Start of the hash of the supports' content.
    time_ns : int
        When the ranks were told to use it, Unix epoch, nanoseconds.
    asked_by : str
        User and machine; empty for the version at the start and for fits.
    fit_version : int
        Number of the fit to supports and hits of this run (`classify.follow_run`), 0
        for the supports alone.
    fit_rows : int
        Rows of the run that there were when it was made: of the hits of the model
        among these it has a sample, see `specklenn.core.hit_sample.sampled_shots`.
    """

    number: ModelNumber = 1
    model_version: ModelNumber = 1
    model: str
    weights_sha256: str
    rule: str
    support_version: SupportNumber
    support_hash: str
    time_ns: Annotated[int, msgspec.Meta(ge=0)] = 0
    asked_by: str = ""
    fit_version: FitNumber = 0
    fit_rows: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def words(self) -> str:
        """Which model and supports, for people."""
        return (
            f"model v{self.model_version} {self.model} "
            f"({self.weights_sha256[:12]}) by {self.rule}, "
            f"support v{self.support_version} ({self.support_hash})"
            + (f", fit v{self.fit_version} to hits of the run" * bool(self.fit_version))
        )

    @property
    def numbers(self) -> tuple[int, int, int]:
        """What a row says of it: the numbers of model, supports and fit."""
        return self.model_version, self.support_version, self.fit_version

    def has_content_of(self, other: Version) -> bool:
        """Whether model, rule and supports are the same."""
        same_model = _model(self) == _model(other)
        return same_model and self.support_hash == other.support_hash


def numbered(history: Sequence[Version], wanted: Version) -> Version:
    """Return a version with numbers that no other content of this run has.

    Parameters
    ----------
    history : sequence of Version
        Versions of this run so far, oldest first.
    wanted : Version
        Its `support_version` is that of the support set.
    """
    return msgspec.structs.replace(
        wanted,
        model_version=_model_version(history, wanted),
        support_version=_support_version(history, wanted),
    )


def _model(version: Version) -> tuple[str, str]:
    """Return what a number of a model stands for."""
    return version.weights_sha256, version.rule


def _model_version(history: Sequence[Version], wanted: Version) -> int:
    known = {_model(item): item.model_version for item in history}
    return known.get(_model(wanted), max(known.values()) + 1)


def _support_version(history: Sequence[Version], wanted: Version) -> int:
    known = {item.support_hash: item.support_version for item in history}
    if wanted.support_hash in known:
        return known[wanted.support_hash]
    taken = set(known.values())
    free = wanted.support_version not in taken
    return wanted.support_version if free else max(taken) + 1
