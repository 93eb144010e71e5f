"""The channel over MPI: nonblocking point-to-point messages, nothing else."""

from __future__ import annotations

from mpi4py import MPI

from specklenn.plugin.parallel.channel import Kind, Message


class MpiChannel:
    """A channel on a communicator of its own.

    Parameters
    ----------
    communicator : MPI.Intracomm
        Duplicated here, so that nobody else's messages can be mistaken for ours.
    """

    def __init__(self, communicator: MPI.Intracomm) -> None:
        self._communicator = communicator.Dup()
        self.rank = self._communicator.Get_rank()
        self.size = self._communicator.Get_size()
        # A buffer must live until its request is done.
        self._sending: list[tuple[MPI.Request, bytes]] = []

    @property
    def unsent(self) -> int:
        """Messages that the other side has not taken yet."""
        self._sending = [item for item in self._sending if not item[0].Test()]
        return len(self._sending)

    def send(self, rank: int, kind: Kind, payload: bytes = b"") -> None:
        """Start to send; returns at once."""
        # Frees what was received; a model may be some megabytes.
        self._sending = [item for item in self._sending if not item[0].Test()]
        request = self._communicator.Isend([payload, MPI.BYTE], rank, int(kind))
        self._sending.append((request, payload))

    def receive(self) -> Message | None:
        """Return the next message from anybody, or None."""
        status = MPI.Status()
        matched = self._communicator.Improbe(MPI.ANY_SOURCE, MPI.ANY_TAG, status)
        if matched is None:
            return None
        payload = bytearray(status.Get_count(MPI.BYTE))
        matched.Recv([payload, MPI.BYTE])
        return Message(Kind(status.Get_tag()), status.Get_source(), bytes(payload))

    def flush(self) -> None:
        """Wait until everything sent has been taken."""
        MPI.Request.Waitall([request for request, _ in self._sending])
        self._sending.clear()
