import numpy as np
import pytest

from specklenn.core.hit_sample import HitSample, sampled_shots
from specklenn.core.rows import empty_rows

SHOTS = np.arange(300)


def seen(index):
    """Hits that can be told from each other, (B, 2, 2) float32."""
    return np.broadcast_to(index[:, None, None], (len(index), 2, 2)).astype(np.float32)


def sample_of(*parts):
    sample = HitSample(most=20)
    for part in parts:
        sample.add(part, seen(part))
    return sample


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_does_not_depend_on_order_and_parts(seed):
    random = np.random.default_rng(seed)
    shuffled = random.permutation(SHOTS)
    ends = np.sort(random.integers(0, 300, 6))

    sample = sample_of(*np.split(shuffled, ends))

    assert sample.index.tolist() == sample_of(SHOTS).index.tolist()
    np.testing.assert_array_equal(sample.hits, seen(sample.index))
    assert len(sample.index) == 20


def test_it_is_spread_over_the_run():
    most = [HitSample() for _ in range(2)]
    for start, sample in zip((0, 10**6), most, strict=True):
        index = start + np.arange(10_000)
        sample.add(index, np.zeros((10_000, 1, 1), np.float32))
        middle = (sample.index - start < 5000).mean()
        assert 0.4 < middle < 0.6


def test_what_workers_would_keep_of_their_own_contains_the_sample_of_all():
    workers = [HitSample(most=20) for _ in range(3)]
    sent = []
    for number, part in enumerate(np.split(SHOTS, 30)):
        worker = workers[number % 3]
        new = part[worker.choose(part)]
        worker.add(new, seen(new))
        sent += new.tolist()

    assert set(sample_of(SHOTS).index) <= set(sent)
    assert len(sent) < 200


def test_a_shot_that_comes_twice_is_there_once():
    sample = sample_of(SHOTS[:50], SHOTS[40:90], SHOTS[:10])

    assert sample.index.tolist() == sample_of(SHOTS[:90]).index.tolist()
    assert not sample.choose(sample.index).any()


def test_nothing_can_be_added():
    sample = sample_of(SHOTS[:0])

    assert len(sample.index) == len(sample.hits) == 0


def test_rows_tell_which_shots_were_sampled():
    rows = empty_rows(300, 2)
    rows["index"] = np.random.default_rng(0).permutation(SHOTS)
    rows["model_version"] = 1 + (rows["index"] >= 200)
    rows["score"][rows["index"] % 2 == 0] = 0.7

    found = sampled_shots(rows[:200], 1)

    hits = rows["index"][:200]
    hits = hits[(hits % 2 == 0) & (hits < 200)]
    expected = HitSample()
    expected.add(hits, seen(hits))
    assert found.tolist() == expected.index.tolist()
    assert 0 < len(found) < 256
