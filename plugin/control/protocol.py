"""What ``specklenn swap`` says to a run, and what the run answers.

One request and one answer, each a small msgpack map with a number that belongs to
both. Whatever arrives is checked before it is believed.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec

from specklenn.core.distances import Rule
from specklenn.core.errors import DataError
from specklenn.plugin.live.versions import Version

SCHEMA: Literal[3] = 3
LARGEST_MESSAGE_BYTES = 64 * 1024

Name = Annotated[str, msgspec.Meta(max_length=60)]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Finite: neither NaN nor infinity passes."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody wants of a run.

    Parameters
    ----------
    id : str
        Comes back with the answer.
    action : {"swap", "back", "status"}
    weights : str or None
        Packaged model by name, or a weights file where rank 0 sees it.
    support : str or None
        Support set, a file where rank 0 sees it.
    rule : str or None
        How supports decide, see `specklenn.core.distances.Classification`.
    user, host : str
        Who asks, for the log.
    """

    layout: Literal[3] = SCHEMA
    id: Name
    action: Literal["swap", "back", "status"]
    weights: FileName | None = None
    support: FileName | None = None
    rule: Rule | None = None
    user: Name
    host: Name

    @property
    def asked_by(self) -> str:
        """Who asks."""
        return f"{self.user}@{self.host}"

    @property
    def words(self) -> str:
        """What is asked, for the log."""
        parts = [f"model {self.weights}"] if self.weights else []
        parts += [f"supports {self.support}"] if self.support else []
        parts += [f"rule {self.rule}"] if self.rule else []
        return " ".join([self.action, " and ".join(parts)]).strip()


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run says.

    Parameters
    ----------
    id : str
        That of the request; empty where it could not be read.
    words : str
        Why not; or what else to know.
    before, now : Version or None
        In use when the request came, and in use now.
    ranks, workers : int
        Workers that use it, and those there are.
    built_s : float
        From the request to the finished update at rank 0, seconds.
    took_s : float
        From the request to the last rank that has it, seconds.
    """

    layout: Literal[3] = SCHEMA
    id: str = ""
    done: bool
    words: str = ""
    before: Version | None = None
    now: Version | None = None
    ranks: Count = 0
    workers: Count = 0
    built_s: Seconds = 0.0
    took_s: Seconds = 0.0


Message = TypeVar("Message", Request, Answer)


def encode(message: Request | Answer) -> bytes:
    """Turn a request or an answer into bytes."""
    return msgspec.msgpack.encode(message)


def decode(kind: type[Message], payload: bytes) -> Message:
    """Check bytes and turn them into a request or an answer.

    Raises
    ------
    DataError
        If they are too many, no msgpack map, or have unknown, missing or wrong values.
    """
    if len(payload) > LARGEST_MESSAGE_BYTES:
        raise DataError(
            f"a message of {len(payload)} bytes, at most {LARGEST_MESSAGE_BYTES} "
            "expected"
        )
    try:
        return msgspec.msgpack.decode(payload, type=kind)
    except msgspec.ValidationError as error:
        raise DataError(f"not a message of this version: {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"not a msgpack message: {error}") from error
