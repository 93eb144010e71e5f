"""What ``specklenn swap`` says to a run, and what the run answers.

One request and one answer, each a small msgpack map with a number that belongs to
both. Whatever arrives is checked before it is believed.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgpack
from pydantic import Field, StringConstraints, ValidationError

from specklenn.core.errors import DataError
from specklenn.core.settings import Settings
from specklenn.plugin.live.versions import Version

SCHEMA: Literal[1] = 1
LARGEST_MESSAGE_BYTES = 64 * 1024

Name = Annotated[str, StringConstraints(max_length=60)]
Place = Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class Request(Settings):
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
    user, host : str
        Who asks, for the log.
    """

    layout: Literal[1] = SCHEMA
    id: Name
    action: Literal["swap", "back", "status"]
    weights: Place | None = None
    support: Place | None = None
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
        return " ".join([self.action, " and ".join(parts)]).strip()


class Answer(Settings):
    """What a run says.

    Parameters
    ----------
    id : str
        Of the request; empty where it could not be read.
    done : bool
    words : str
        Why not; or what else to know.
    before, now : Version or None
        In use when the request came, and in use now.
    ranks, workers : int
        Workers that use it, and those there are.
    built_s : float
        From the request to the finished candidate at rank 0, seconds.
    took_s : float
        From the request to the last rank that has it, seconds.
    """

    layout: Literal[1] = SCHEMA
    id: str = ""
    done: bool
    words: str = ""
    before: Version | None = None
    now: Version | None = None
    ranks: int = Field(default=0, ge=0)
    workers: int = Field(default=0, ge=0)
    built_s: float = 0.0
    took_s: float = 0.0


Message = TypeVar("Message", Request, Answer)


def encode(message: Request | Answer) -> bytes:
    """Turn a request or an answer into bytes."""
    packed: bytes = msgpack.packb(message.model_dump())
    return packed


def decode(model: type[Message], payload: bytes) -> Message:
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
        return model.model_validate(msgpack.unpackb(payload), strict=True)
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"])) or "the whole"
        raise DataError(
            f"not a message of this version: {place}: {found['msg']}"
        ) from None
    except Exception as error:  # msgpack raises a dozen unrelated kinds
        raise DataError(f"not a msgpack message: {error}") from error
