import numpy as np
import pytest

from specklenn.core.rows import empty_rows
from specklenn.plugin.live.scheduler import (
    FileScheduler,
    LiveScheduler,
    SeenShots,
)


def rows(*indices):
    made = empty_rows(len(indices), 1)
    made["index"] = indices
    return made


def finish(scheduler, lease):
    return scheduler.accept(rows(*range(*lease)))


@pytest.mark.parametrize(("shots", "workers"), [(1, 1), (1000, 1), (1000, 7), (97, 4)])
def test_every_shot_is_leased_exactly_once(shots, workers):
    scheduler = FileScheduler(shots, workers, lease_shots=64)
    seen = []
    rank = 1
    while (lease := scheduler.request(rank)) is not None:
        seen.extend(range(*lease))
        finish(scheduler, lease)
        rank = rank % workers + 1

    assert seen == list(range(shots))
    assert scheduler.finished


def test_leases_shrink_near_the_end():
    scheduler = FileScheduler(1000, 4, lease_shots=256)

    sizes = []
    while (lease := scheduler.request(1)) is not None:
        sizes.append(lease[1] - lease[0])

    assert sizes == sorted(sizes, reverse=True) or sizes[-1] <= 16
    assert sizes[0] == 125
    assert sizes[-1] <= 16


def test_what_a_failed_rank_had_not_done_is_leased_again():
    scheduler = FileScheduler(100, 2, lease_shots=40, smallest=40)
    first = scheduler.request(1)
    second = scheduler.request(2)
    scheduler.accept(rows(0, 1, 2, 5))
    finish(scheduler, second)

    scheduler.end(1)

    again = []
    while (lease := scheduler.request(2)) is not None:
        again.extend(range(*lease))
        finish(scheduler, lease)
    assert first == (0, 40)
    assert sorted(again) == [3, 4, *range(6, 40), *range(80, 100)]
    assert scheduler.finished


def test_what_a_failed_rank_had_of_a_part_of_a_run_is_leased_again_too():
    scheduler = FileScheduler(40, 2, lease_shots=20, smallest=20, first=10)
    first, second = scheduler.request(1), scheduler.request(2)
    finish(scheduler, first)

    scheduler.end(2)

    assert (first, second) == ((10, 30), (30, 50))
    assert scheduler.request(1) == (30, 50)
    finish(scheduler, second)
    assert scheduler.finished


def test_a_shot_counts_once_however_often_it_arrives():
    seen = SeenShots(10)

    assert seen.new(rows(1, 2, 2, 3)).tolist() == [True, True, False, True]
    assert seen.new(rows(3, 1, 4)).tolist() == [False, False, True]
    assert seen.accepted == 4


def test_the_memory_of_a_stream_grows_as_far_as_needed():
    seen = SeenShots()

    assert seen.new(rows(5, 10**6)).tolist() == [True, True]
    assert seen.new(rows(5, 10**6, 7)).tolist() == [False, False, True]


def test_open_ranges_equal_a_search_shot_by_shot():
    seen = SeenShots(200)
    done = np.random.default_rng(0).permutation(200)[:120]
    seen.new(rows(*done))

    covered = [i for a, b in seen.open_ranges(20, 180) for i in range(a, b)]

    assert covered == [i for i in range(20, 180) if i not in set(done.tolist())]


def test_a_stream_is_over_when_every_worker_says_so():
    scheduler = LiveScheduler({1, 2})

    assert scheduler.request(1) is None
    scheduler.end(1)
    assert not scheduler.finished
    scheduler.end(2)
    assert scheduler.finished
