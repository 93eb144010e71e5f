import numpy as np
import pytest

from specklenn.core.rows import empty_rows
from specklenn.plugin.live.scheduler import (
    FileDistribution,
    LiveDistribution,
    SeenShots,
)


def rows(*indices):
    made = empty_rows(len(indices), 1)
    made["index"] = indices
    return made


def finish(distribution, lease):
    return distribution.accept(rows(*range(*lease)))


@pytest.mark.parametrize(("shots", "workers"), [(1, 1), (1000, 1), (1000, 7), (97, 4)])
def test_every_shot_is_leased_exactly_once(shots, workers):
    distribution = FileDistribution(shots, workers, lease_shots=64)
    seen = []
    rank = 1
    while (lease := distribution.request(rank)) is not None:
        seen.extend(range(*lease))
        finish(distribution, lease)
        rank = rank % workers + 1

    assert seen == list(range(shots))
    assert distribution.finished


def test_leases_shrink_near_the_end():
    distribution = FileDistribution(1000, 4, lease_shots=256)

    sizes = []
    while (lease := distribution.request(1)) is not None:
        sizes.append(lease[1] - lease[0])

    assert sizes == sorted(sizes, reverse=True) or sizes[-1] <= 16
    assert sizes[0] == 125
    assert sizes[-1] <= 16


def test_what_a_failed_rank_had_not_done_is_leased_again():
    distribution = FileDistribution(100, 2, lease_shots=40, smallest=40)
    first = distribution.request(1)
    second = distribution.request(2)
    distribution.accept(rows(0, 1, 2, 5))
    finish(distribution, second)

    distribution.end(1)

    again = []
    while (lease := distribution.request(2)) is not None:
        again.extend(range(*lease))
        finish(distribution, lease)
    assert first == (0, 40)
    assert sorted(again) == [3, 4, *range(6, 40), *range(80, 100)]
    assert distribution.finished


def test_what_a_failed_rank_had_of_a_part_of_a_run_is_leased_again_too():
    distribution = FileDistribution(40, 2, lease_shots=20, smallest=20, first=10)
    first, second = distribution.request(1), distribution.request(2)
    finish(distribution, first)

    distribution.end(2)

    assert (first, second) == ((10, 30), (30, 50))
    assert distribution.request(1) == (30, 50)
    finish(distribution, second)
    assert distribution.finished


def test_a_shot_counts_once_however_often_it_arrives():
    books = SeenShots(10)

    assert books.new(rows(1, 2, 2, 3))["index"].tolist() == [1, 2, 3]
    assert books.new(rows(3, 1, 4))["index"].tolist() == [4]
    assert (books.accepted, books.doubled) == (4, 3)


def test_books_of_a_stream_grow_as_far_as_needed():
    books = SeenShots()

    assert len(books.new(rows(5, 10**6))) == 2
    assert len(books.new(rows(5, 10**6, 7))) == 1


def test_open_ranges_equal_a_search_shot_by_shot():
    books = SeenShots(200)
    done = np.random.default_rng(0).permutation(200)[:120]
    books.new(rows(*done))

    covered = [i for a, b in books.open_ranges(20, 180) for i in range(a, b)]

    assert covered == [i for i in range(20, 180) if i not in set(done.tolist())]


def test_a_stream_is_over_when_every_worker_says_so():
    distribution = LiveDistribution({1, 2})

    assert distribution.request(1) is None
    distribution.end(1)
    assert not distribution.finished
    distribution.end(2)
    assert distribution.finished
