"""Takes requests over ZeroMQ at rank 0, in a thread beside the event loop.

Off unless the configuration says ``control.enabled``. Requests are served one after
another; files are read and updates built here, so that the event loop only ever hands
finished bytes on.
"""

from __future__ import annotations

import logging
import queue
import threading
from pathlib import Path
from typing import Any

import msgspec
import zmq

from specklenn.core.config.endpoints import is_ipv6
from specklenn.core.errors import ConfigError, DataError, SpecklennError
from specklenn.plugin.control.protocol import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Request,
    decode,
    encode,
)
from specklenn.plugin.control.update_builder import UpdateBuilder
from specklenn.plugin.encryption import Encryption
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.swap_coordinator import UpdateRequest, UpdateResult
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

MOST_WAITING = 32
"""Requests that wait; of more, ZeroMQ takes no notice until there is room."""

POLL_S = 0.1
"""How often the thread looks whether the run has ended."""

LONGEST_WORDS = 8000
"""Characters of an answer, which is a small message."""

CLOSE_TIMEOUT_S = 2.0
"""How long an answer that is under way is awaited when the run ends."""


class ControlServer:
    """A ROUTER socket, and the update requests that came through it.

    Parameters
    ----------
    endpoint : str
        ``tcp://127.0.0.1:5557``, say.
    state : RunState
        Read only.

    keys : path or None
        Keys of the run, see `specklenn.core.socket_keys`.

    Raises
    ------
    ConfigError
        If the endpoint cannot be bound, or the keys cannot be used; says why.
    """

    def __init__(
        self,
        endpoint: str,
        builder: UpdateBuilder,
        state: RunState,
        clock: Clock,
        keys: Path | None = None,
    ) -> None:
        self._encryption = Encryption(keys)
        self._builder = builder
        self._state = state
        self._clock = clock
        self._waiting: queue.SimpleQueue[UpdateRequest] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._context = zmq.Context()
        self._socket = _bind(self._context, endpoint, self._encryption)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def next(self) -> UpdateRequest | None:
        """Return an update request that nobody has begun, or None."""
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Answer the request that is being served and close the socket."""
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                if self._socket.poll(round(1000 * POLL_S)):
                    self._serve_one()
        finally:
            self._encryption.close()
            self._context.destroy()

    def _serve_one(self) -> None:
        parts = self._socket.recv_multipart()
        if len(parts) != 2:
            return
        sender, payload = parts
        try:
            request = decode(Request, payload)
        except DataError as error:
            log.warning("a request was refused: %s", error)
            answer = Answer(done=False, words=str(error))
        else:
            answer = self._answer(request)
        self._socket.send_multipart([sender, encode(answer)], zmq.DONTWAIT)

    def _answer(self, request: Request) -> Answer:
        if request.action == "status":
            return self._answer_now(request, done=True)
        before = self._state.in_use
        try:
            answer = self._swap(request)
        except SpecklennError as error:
            words = "; ".join(str(error).splitlines())
            answer = self._answer_now(request, done=False, words=words)
        except Exception as error:
            log.exception("a swap could not be built")
            answer = self._answer_now(request, done=False, words=repr(error))
        answer = msgspec.structs.replace(answer, before=before)
        _log_answer(request, answer)
        return answer

    def _swap(self, request: Request) -> Answer:
        begun_s = self._clock.monotonic()
        built = self._builder.build(request, self._state.versions)
        built_s = self._clock.monotonic()
        result = self._finished(built)
        if not result.done:
            return self._answer_now(request, done=False, words=result.reason)
        self._builder.adopt(built)
        return self._answer_now(
            request,
            done=True,
            words="; ".join(filter(None, (built.note, result.reason))),
            built_s=built_s - begun_s,
            took_s=result.finished_s - begun_s,
        )

    def _finished(self, update: UpdateRequest) -> UpdateResult:
        """Hand a request to the collector and wait for its result."""
        self._waiting.put(update)
        while update.wait(POLL_S) is None and not self._closing.is_set():
            pass
        return update.result or UpdateResult(
            done=False, reason="the run ended meanwhile"
        )

    def _answer_now(self, request: Request, **values: Any) -> Answer:
        """Answer with what is in use now."""
        now, ranks = self._state.in_use, self._state.alive
        values["words"] = str(values.get("words", ""))[:LONGEST_WORDS]
        return Answer(
            id=request.id,
            now=now,
            ranks=sum(rank.version == now.number for rank in ranks),
            workers=len(ranks),
            **values,
        )


def _bind(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, encryption: Encryption
) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.RCVHWM, MOST_WAITING)
    socket.setsockopt(zmq.SNDHWM, MOST_WAITING)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE_BYTES)
    socket.setsockopt(zmq.LINGER, 500)
    socket.setsockopt(zmq.IPV6, is_ipv6(endpoint))
    encryption.apply(context, socket)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        encryption.close()
        context.destroy(linger=0)
        raise ConfigError(
            f"control.endpoint: {endpoint} cannot be used: {error.strerror}; "
            "does another run accept requests there?"
        ) from error
    return socket


def _log_answer(request: Request, answer: Answer) -> None:
    """Log who asked for what, and what came of it."""
    before = answer.before.words if answer.before else ""
    now = answer.now.words if answer.now else ""
    result = (
        f"done on {answer.ranks} of {answer.workers} ranks after "
        f"{answer.took_s:.3f} s: {before} -> {now}; {answer.words}"
        if answer.done
        else f"refused: {answer.words}"
    )
    log.info("%s asked to %s: %s", request.asked_by, request.words, result)
