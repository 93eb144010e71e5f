"""Blocks shared out over workers: every one once, in order, and nobody left behind."""

import random

import pytest

from specklenn.core.errors import DataError
from specklenn.plugin.parallel.block_pool import AHEAD, BlockPool, work_for_leader
from specklenn.plugin.parallel.channel import COLLECTOR, Kind, in_memory_channels


def square(block):
    return b"%d" % block**2


def squares(first, end):
    return [b"%d" % i**2 for i in range(first, end)]


class Workers:
    """Workers in this thread: whenever the leader sleeps, one of them does one block.

    They are their leader's clock: a leader that never slept would wait for ever.
    """

    def __init__(self, ranks, work=square, seed=0):
        self.ours, self.theirs = in_memory_channels(ranks)
        self.leases = {rank: [] for rank in ranks}
        self.most = dict.fromkeys(ranks, 0)
        self.answered = []
        self.naps = 0
        self._work = work
        self._random = random.Random(seed)

    def sleep(self, seconds):
        self.naps += 1
        self._collect()
        ready = [rank for rank, blocks in self.leases.items() if blocks]
        if ready:
            self._answer(self._random.choice(ready))

    def _collect(self):
        for rank, channel in self.theirs.items():
            while (message := channel.receive()) is not None:
                assert message.kind == Kind.LEASE
                self.leases[rank].append(int.from_bytes(message.payload, "big"))
            self.most[rank] = max(self.most[rank], len(self.leases[rank]))

    def _answer(self, rank):
        block = self.leases[rank].pop(0)
        self.answered.append(block)
        result = block.to_bytes(8, "big") + self._work(block)
        self.theirs[rank].send(COLLECTOR, Kind.REPORT, result)


def pool_of(workers, own_work=None):
    return BlockPool(workers.ours, list(workers.theirs), own_work, workers)


@pytest.mark.parametrize("ranks", [[1], [1, 2], [1, 2, 3, 4, 5]])
@pytest.mark.parametrize("blocks", [(0, 1), (0, 23), (7, 19)])
def test_results_come_in_order_whoever_answers_first(ranks, blocks):
    workers = Workers(ranks)

    assert list(pool_of(workers).results(*blocks)) == squares(*blocks)

    assert sorted(workers.answered) == list(range(*blocks))


def test_workers_that_answer_out_of_order_are_what_is_tested_here():
    workers = Workers([1, 2, 3])

    list(pool_of(workers).results(0, 20))

    assert workers.answered != sorted(workers.answered)


def test_a_worker_never_has_more_than_a_few_blocks_before_it():
    workers = Workers([1, 2, 3])

    list(pool_of(workers).results(0, 40))

    assert workers.most == {1: AHEAD, 2: AHEAD, 3: AHEAD}


def test_nothing_is_made_for_a_caller_who_takes_nothing():
    workers = Workers([1, 2])
    results = pool_of(workers).results(0, 1000)

    next(results)
    for _ in range(100):
        workers.sleep(1)

    # Those of the beginning, and one more for every answer that the leader took.
    assert len(workers.answered) <= 2 * (2 * AHEAD)


def test_a_leader_alone_does_everything():
    pool = BlockPool(None, [], square, Workers([]))

    assert list(pool.results(2, 9)) == squares(2, 9)


def test_a_leader_alone_does_nothing_before_it_is_asked():
    done = []
    pool = BlockPool(None, [], lambda block: done.append(block) or b"", Workers([]))
    results = pool.results(0, 5)

    next(results)

    assert done == [0]


def test_a_leader_that_helps_and_its_workers_do_every_block_once():
    workers, own = Workers([1, 2]), []

    def help_out(block):
        own.append(block)
        workers.sleep(0)  # the others work at the same time
        return square(block)

    assert list(pool_of(workers, help_out).results(0, 30)) == squares(0, 30)

    assert own
    assert workers.answered
    assert sorted(own + workers.answered) == list(range(30))


def test_a_leader_with_nothing_left_to_help_with_sleeps_until_the_rest_is_done():
    workers = Workers([1, 2])

    assert list(pool_of(workers, square).results(0, 4)) == squares(0, 4)

    assert sorted(workers.answered) == [0, 1, 2, 3]
    assert workers.naps >= 4


@pytest.mark.parametrize("own_work", [None, square])
def test_of_no_blocks_there_are_no_results(own_work):
    workers = Workers([1, 2])

    assert list(pool_of(workers, own_work).results(5, 5)) == []

    assert all(channel.receive() is None for channel in workers.theirs.values())


def test_one_team_does_one_range_after_another():
    workers = Workers([1, 2])
    pool = pool_of(workers)

    assert list(pool.results(0, 6)) == squares(0, 6)
    assert list(pool.results(6, 13)) == squares(6, 13)


def test_a_failure_is_raised_with_the_worker_and_its_reason():
    workers = Workers([1, 2])
    results = pool_of(workers).results(0, 9)
    workers.theirs[2].send(COLLECTOR, Kind.FAILED, b"x.pdb: no atoms")

    with pytest.raises(DataError, match=r"^worker 2: x\.pdb: no atoms$"):
        list(results)


def test_stop_reaches_every_worker():
    workers = Workers([1, 2, 3])
    pool = pool_of(workers)
    list(pool.results(0, 9))

    pool.stop()

    for channel in workers.theirs.values():
        assert channel.receive().kind == Kind.STOP
        assert channel.receive() is None


def test_a_leader_alone_has_nobody_to_stop():
    BlockPool(None, [], square, Workers([])).stop()


def lease(ours, block):
    ours.send(1, Kind.LEASE, block.to_bytes(8, "big"))


def test_a_worker_does_what_it_is_given_until_it_is_stopped(clock):
    ours, theirs = in_memory_channels([1])
    for block in (3, 1):
        lease(ours, block)
    ours.send(1, Kind.STOP)
    lease(ours, 99)

    work_for_leader(theirs[1], square, clock)

    answers = [ours.receive(), ours.receive()]
    assert [message.kind for message in answers] == [Kind.REPORT] * 2
    assert [message.payload for message in answers] == [
        (3).to_bytes(8, "big") + b"9",
        (1).to_bytes(8, "big") + b"1",
    ]
    assert ours.receive() is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("x.pdb: no atoms"), "x.pdb: no atoms"),
        (ZeroDivisionError("division by zero"), "Traceback"),
    ],
)
def test_a_worker_that_fails_tells_why_and_ends(clock, error, words):
    ours, theirs = in_memory_channels([1])

    def fail(block):
        raise error

    for block in (0, 1):
        lease(ours, block)

    work_for_leader(theirs[1], fail, clock)

    message = ours.receive()
    assert message.kind == Kind.FAILED
    assert message.payload.decode().startswith(words)
    assert str(error) in message.payload.decode()
    assert ours.receive() is None
