"""Takes orders over ZeroMQ at rank 0, in a thread beside the event loop.

Off unless the configuration says ``control.enabled``. Requests are served one after
another; files are read and candidates built here, so that the event loop only ever
hands finished bytes on.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any

import msgspec
import zmq

from specklenn.core.errors import ConfigError, DataError, SpecklennError
from specklenn.plugin.control.protocol import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Request,
    decode,
    encode,
)
from specklenn.plugin.control.update_builder import UpdateBuilder
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.swap_coordinator import Order, Outcome
from specklenn.plugin.parallel.clock import Clock

log = logging.getLogger(__name__)

MOST_WAITING = 32
"""Requests that wait; of more, ZeroMQ takes no notice until there is room."""

LOOK_ROUND_S = 0.1
"""How often the thread looks whether the run has ended."""

LONGEST_WORDS = 8000
"""Of an answer, which is a small message."""

GOODBYE_S = 2.0


class ControlServer:
    """A ROUTER socket, and the orders that came through it.

    Parameters
    ----------
    endpoint : str
        ``tcp://127.0.0.1:5557``, say.
    builder : UpdateBuilder
    state : RunState
        Read only.
    clock : Clock

    Raises
    ------
    ConfigError
        If the endpoint cannot be bound; says why.
    """

    def __init__(
        self, endpoint: str, builder: UpdateBuilder, state: RunState, clock: Clock
    ) -> None:
        self._builder = builder
        self._state = state
        self._clock = clock
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._context = zmq.Context()
        self._socket = _bound(self._context, endpoint)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def next(self) -> Order | None:
        """Return an order that nobody has begun, or None."""
        try:
            return self._orders.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """Answer what is under way and let go of the socket."""
        self._closing.set()
        self._thread.join(GOODBYE_S)

    def _serve(self) -> None:
        try:
            while not self._closing.is_set():
                if self._socket.poll(round(1000 * LOOK_ROUND_S)):
                    self._serve_one()
        finally:
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
            return self._told(request, done=True)
        before = self._state.in_use
        try:
            answer = self._swap(request)
        except SpecklennError as error:
            words = "; ".join(str(error).splitlines())
            answer = self._told(request, done=False, words=words)
        except Exception as error:
            log.exception("a swap could not be built")
            answer = self._told(request, done=False, words=repr(error))
        answer = msgspec.structs.replace(answer, before=before)
        _write_down(request, answer)
        return answer

    def _swap(self, request: Request) -> Answer:
        begun_s = self._clock.monotonic()
        built = self._builder.build(request, self._state.versions)
        built_s = self._clock.monotonic()
        outcome = self._fulfilled(Order(version=built.version, payload=built.payload))
        if not outcome.done:
            return self._told(request, done=False, words=outcome.reason)
        self._builder.adopt(built)
        return self._told(
            request,
            done=True,
            words="; ".join(filter(None, (built.note, outcome.reason))),
            built_s=built_s - begun_s,
            took_s=outcome.finished_s - begun_s,
        )

    def _fulfilled(self, order: Order) -> Outcome:
        self._orders.put(order)
        while not self._closing.is_set():
            outcome = order.wait(LOOK_ROUND_S)
            if outcome is not None:
                return outcome
        return order.outcome or Outcome(done=False, reason="the run ended meanwhile")

    def _told(self, request: Request, **values: Any) -> Answer:
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


def _bound(context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> zmq.Socket[bytes]:
    bound = context.socket(zmq.ROUTER)
    bound.setsockopt(zmq.RCVHWM, MOST_WAITING)
    bound.setsockopt(zmq.SNDHWM, MOST_WAITING)
    bound.setsockopt(zmq.MAXMSGSIZE, LARGEST_MESSAGE_BYTES)
    bound.setsockopt(zmq.LINGER, 500)
    try:
        bound.bind(endpoint)
    except zmq.ZMQError as error:
        context.destroy(linger=0)
        raise ConfigError(
            f"control.endpoint: {endpoint} cannot be used: {error.strerror}; "
            "does another run take orders there?"
        ) from error
    return bound


def _write_down(request: Request, answer: Answer) -> None:
    """Write into the log who asked for what, and what came of it."""
    before = answer.before.words if answer.before else ""
    now = answer.now.words if answer.now else ""
    came = (
        f"done on {answer.ranks} of {answer.workers} ranks after "
        f"{answer.took_s:.3f} s: {before} -> {now}; {answer.words}"
        if answer.done
        else f"refused: {answer.words}"
    )
    log.info("%s asked to %s: %s", request.asked_by, request.words, came)
