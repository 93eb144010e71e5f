"""Blocks of work shared out over ranks or processes; results come back in order.

The leader hands out block numbers, two ahead for each worker, and gives the results
on in the order of their numbers, so that what is made of them does not depend on
how many worked. A leader may work itself whenever nothing has arrived.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence

from specklenn.core.errors import DataError, SpecklennError
from specklenn.plugin.parallel.channel import COLLECTOR, Channel, Kind, Message
from specklenn.plugin.parallel.clock import Backoff, Clock

Work = Callable[[int], bytes]
"""Makes the result of a block from its number."""

AHEAD = 2
"""Blocks that each worker has been given and not returned."""

NUMBER_BYTES = 8


def work_for_leader(channel: Channel, work: Work, clock: Clock) -> None:
    """Do the blocks that the leader asks for until it says stop.

    Whatever a block raises is sent to the leader, and ends this worker.
    """
    backoff = Backoff(clock)
    while True:
        message = channel.receive()
        backoff.after(message is not None)
        if message is None:
            continue
        if message.kind != Kind.LEASE:  # told to stop, or the leader died
            return
        try:
            result = work(int.from_bytes(message.payload, "big"))
        except Exception as error:
            send_failure(channel, error)
            return
        channel.send(COLLECTOR, Kind.REPORT, message.payload + result)


def send_failure(channel: Channel, error: Exception) -> None:
    """Tell the leader why this worker ends."""
    channel.send(COLLECTOR, Kind.FAILED, reason(error).encode())
    channel.flush()


def reason(error: Exception) -> str:
    """Say why a block failed: a sentence for users, or where the code broke."""
    if isinstance(error, SpecklennError):
        return str(error)
    return "".join(traceback.format_exception(error))


class BlockPool:
    """A leader that hands blocks to its workers.

    Parameters
    ----------
    channel : Channel
        Message endpoint of the leader.
    workers : sequence of int
        Their ranks; none where the leader does everything.
    own_work : function, optional
        What the leader does itself while nothing arrives; needed without workers.
    """

    def __init__(
        self,
        channel: Channel | None,
        workers: Sequence[int],
        own_work: Work | None,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._workers = workers
        self._own_work = own_work
        self._backoff = Backoff(clock)
        self._done: dict[int, bytes] = {}
        self._next_block = 0

    def results(self, first: int, end: int) -> Iterator[bytes]:
        """Give the results of the blocks from ``first`` to before ``end``, in order.

        Raises
        ------
        DataError
            If a worker fails.
        """
        self._next_block = first
        for _ in range(AHEAD):
            for rank in self._workers:
                self._hand_out(rank, end)
        for wanted in range(first, end):
            while wanted not in self._done:
                self._step(end)
            yield self._done.pop(wanted)

    def stop(self) -> None:
        """Tell the workers to stop."""
        if self._channel is not None:
            for rank in self._workers:
                self._channel.send(rank, Kind.STOP)

    def _step(self, end: int) -> None:
        message = self._channel.receive() if self._channel else None
        own_work = self._own_work if self._next_block < end else None
        if message is not None:
            self._take(message, end)
        elif own_work is not None:
            number = self._next_block
            self._next_block += 1
            self._done[number] = own_work(number)
        self._backoff.after(message is not None or own_work is not None)

    def _take(self, message: Message, end: int) -> None:
        if message.kind == Kind.FAILED:
            raise DataError(f"worker {message.rank}: {message.payload.decode()}")
        number = int.from_bytes(message.payload[:NUMBER_BYTES], "big")
        self._done[number] = message.payload[NUMBER_BYTES:]
        self._hand_out(message.rank, end)

    def _hand_out(self, rank: int, end: int) -> None:
        assert self._channel is not None
        if self._next_block < end:
            payload = self._next_block.to_bytes(NUMBER_BYTES, "big")
            self._next_block += 1
            self._channel.send(rank, Kind.LEASE, payload)
