import numpy as np
import pytest

from specklenn.core.memory import (
    MEMORY_SUPPORTS,
    NO_MEMORY,
    SHARPNESS,
    Memory,
    joined,
    remember,
    with_memory,
)

KNOWN = Memory(
    classes=("multi-hit", "single-hit"),
    vectors=np.arange(12, dtype=np.float32).reshape(3, 2, 2),
)


def test_what_is_remembered_comes_in_the_order_of_the_classes():
    found = KNOWN.of(("single-hit", "multi-hit"))

    np.testing.assert_array_equal(found, KNOWN.vectors[:, ::-1])


def test_a_joined_class_is_remembered_as_the_mean_of_its_parts():
    found = KNOWN.of(("single-hit", "multi-hit+single-hit"))

    np.testing.assert_array_equal(found[:, 1], KNOWN.vectors.mean(axis=1))


def test_a_class_that_nothing_is_remembered_of_leaves_all_without_memory():
    assert KNOWN.of(("single-hit", "ice")) is None
    assert NO_MEMORY.of(()) is None
    assert NO_MEMORY.of(("single-hit",)) is None


def test_remembering_keeps_the_mean_of_every_class_of_every_sample():
    vectors = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    labels = np.tile(["single-hit", "multi-hit", "single-hit"], 20)
    names = np.repeat(["a", "b", "c"], 20)
    labels[names == "b"] = "multi-hit"

    memory = remember(vectors, labels, names)

    assert memory.classes == ("multi-hit", "single-hit")
    for found, name in zip(memory.vectors, "ac", strict=True):
        for vector, label in zip(found, memory.classes, strict=True):
            own = vectors[(names == name) & (labels == label)]
            np.testing.assert_allclose(vector, own.mean(axis=0), atol=1e-6)


def test_nothing_is_remembered_where_no_sample_has_all_classes():
    memory = remember(
        np.eye(2, dtype=np.float32), np.array(["x", "y"]), np.array(["a", "b"])
    )

    assert len(memory) == 0
    assert memory.of(("x",)) is None


def test_memories_are_joined_where_they_know_the_classes():
    other = Memory(
        classes=("ice", "single-hit", "multi-hit"),
        vectors=np.ones((2, 3, 2), np.float32),
    )

    memory = joined([KNOWN, other, NO_MEMORY], ("single-hit", "multi-hit"))

    assert memory.classes == ("single-hit", "multi-hit")
    assert len(memory) == 5
    np.testing.assert_array_equal(memory.vectors[:3], KNOWN.vectors[:, ::-1])
    assert joined([KNOWN, other], ("ice",)).vectors.shape == (2, 1, 2)
    assert len(joined([KNOWN], ("ice",))) == 0


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_memory_weighs_as_its_definition_says_sample_by_sample():
    random = np.random.default_rng(1)
    means = 0.9 * unit(random.normal(size=(2, 4)))
    remembered = 0.8 * unit(means + 0.4 * random.normal(size=(3, 2, 4)))
    counts = np.array([2, 5])

    placed = with_memory(means, counts, remembered.astype(np.float32))

    weights = []
    for sample in remembered:
        misfit = sum(
            count * np.sum((mine - theirs) ** 2)
            for count, mine, theirs in zip(counts, means, sample, strict=True)
        )
        weights.append(np.exp(-SHARPNESS * misfit))
    for code, count in enumerate(counts):
        recalled = np.average(remembered[:, code], axis=0, weights=weights)
        spread = 1 - np.sum(recalled**2)
        beyond = np.sum((means[code] - recalled) ** 2) - spread / count
        doubt = spread / MEMORY_SUPPORTS + max(beyond, 0) * (count - 1) / count
        expected = np.average(
            [means[code], recalled], axis=0, weights=[count / spread, 1 / doubt]
        )
        np.testing.assert_allclose(placed[code], expected, atol=1e-5)


def test_supports_that_contradict_what_is_remembered_are_believed():
    """As where the detector is another one: all that is remembered lies elsewhere."""
    remembered = np.zeros((3, 2, 4), np.float32)
    remembered[:, :, 0] = 0.95
    near, far = (
        np.tile([0.95 * np.cos(angle), 0.95 * np.sin(angle), 0, 0], (2, 1))
        for angle in (0.1, 1.5)
    )

    def moved(means, number):
        placed = with_memory(means, np.full(2, number), remembered)
        way = np.linalg.norm(remembered[0] - means, axis=1)
        return np.linalg.norm(placed - means, axis=1) / way

    np.testing.assert_allclose(moved(near, 5), 2 / 7, atol=1e-6)
    assert moved(far, 5).max() < 0.02
    np.testing.assert_allclose(moved(far, 1), 2 / 3, atol=1e-6)


@pytest.mark.parametrize("distance", [0.0, 1e3])
def test_no_distance_to_what_is_remembered_is_too_far(distance):
    means = np.zeros((2, 4))

    placed = with_memory(
        means, np.array([1, 1]), np.full((3, 2, 4), distance, np.float32)
    )

    expected = distance * MEMORY_SUPPORTS / (1 + MEMORY_SUPPORTS)
    np.testing.assert_allclose(placed, expected)


def test_with_many_supports_memory_fades():
    means, remembered = np.zeros((2, 4)), np.ones((3, 2, 4), np.float32)

    few, many = (
        with_memory(means, np.full(2, number), remembered) for number in (1, 100)
    )

    assert few.min() > 0.6
    assert many.max() < 0.02
