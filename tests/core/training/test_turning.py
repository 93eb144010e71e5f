import itertools

import numpy as np
import torch

from specklenn.core.training.augment import turn_and_mirror as turn


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def all_eight(pattern):
    """Every way to turn by quarters and to mirror, by NumPy."""
    sides = (pattern, pattern.T)
    return [np.rot90(one, k) for one, k in itertools.product(sides, range(4))]


def test_a_pattern_comes_in_all_eight_orientations_and_no_other():
    pattern = np.arange(36.0, dtype=np.float32).reshape(6, 6)
    many = turn(torch.from_numpy(pattern).expand(400, 6, 6), seeded()).numpy()

    found = {one.tobytes() for one in many}

    assert found == {np.ascontiguousarray(one).tobytes() for one in all_eight(pattern)}


def test_every_orientation_is_as_likely():
    pattern = torch.arange(16.0).reshape(4, 4)
    many = turn(pattern.expand(8000, 4, 4), seeded()).reshape(8000, -1)

    counts = torch.unique(many, dim=0, return_counts=True)[1]

    assert len(counts) == 8
    assert counts.float().sub(1000).abs().max() < 5 * (1000 * 7 / 8) ** 0.5


def test_the_given_patterns_stay_as_they_are():
    patterns = torch.rand(20, 8, 8)
    before = patterns.clone()

    turn(patterns, seeded())

    assert torch.equal(patterns, before)
