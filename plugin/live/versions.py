"""Versions of a run: which model and which supports classified its shots, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

LARGEST_NUMBER = 2**32 - 1
"""What a row has room for."""

ModelNumber = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_NUMBER)]
SupportNumber = Annotated[int, msgspec.Meta(ge=0, le=LARGEST_NUMBER)]


class Version(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model and a support set, in use from some time on.

    The pair of ``model_version`` and ``support_version``, which every row carries,
    means one content within a run: what comes back has its old numbers again.

    Parameters
    ----------
    number : int
        Counts what the ranks were offered, from 1; what they refused is missing.
    model_version : int
        Counts the models of a run from 1.
    model : str
        Name of the model.
    weights_sha256 : str
        Of the weights file.
    support_version : int
        As the support set says, unless other supports of this run had the number.
    support_hash : str
        Start of the hash of the supports' content.
    time_ns : int
        When the ranks were told to use it, Unix epoch, nanoseconds.
    asked_by : str
        User and machine; empty for the version at the start.
    """

    number: ModelNumber = 1
    model_version: ModelNumber = 1
    model: str
    weights_sha256: str
    support_version: SupportNumber
    support_hash: str
    time_ns: Annotated[int, msgspec.Meta(ge=0)] = 0
    asked_by: str = ""

    @property
    def words(self) -> str:
        """Which model and supports, for people."""
        return (
            f"model v{self.model_version} {self.model} "
            f"({self.weights_sha256[:12]}), support v{self.support_version} "
            f"({self.support_hash})"
        )

    def has_content_of(self, other: Version) -> bool:
        """Whether both classify alike."""
        return (self.weights_sha256, self.support_hash) == (
            other.weights_sha256,
            other.support_hash,
        )


def numbered(history: Sequence[Version], wanted: Version) -> Version:
    """Give a version its numbers, so that no pair in a run means two things.

    Parameters
    ----------
    history : sequence of Version
        Of this run, oldest first.
    wanted : Version
        With the version that its support set says.
    """
    return msgspec.structs.replace(
        wanted,
        model_version=_model_version(history, wanted.weights_sha256),
        support_version=_support_version(history, wanted),
    )


def _model_version(history: Sequence[Version], weights_sha256: str) -> int:
    known = {item.weights_sha256: item.model_version for item in history}
    return known.get(weights_sha256, max(known.values()) + 1)


def _support_version(history: Sequence[Version], wanted: Version) -> int:
    known = {item.support_hash: item.support_version for item in history}
    if wanted.support_hash in known:
        return known[wanted.support_hash]
    taken = set(known.values())
    free = wanted.support_version not in taken
    return wanted.support_version if free else max(taken) + 1
