import numpy as np
import pytest

from specklenn.core.evaluation.calibration_report import (
    auroc,
    measure_confidence,
)

CLASSES = ("single-hit", "multi-hit")


def directions(*middles, each, spread, seed=0):
    """Unit vectors around some middles, ``each`` for every one."""
    random = np.random.default_rng(seed)
    found = np.repeat(np.array(middles, float), each, axis=0)
    found += spread * random.standard_normal(found.shape)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def embedded():
    """Two classes and two kinds of strangers: one elsewhere, one like single-hits."""
    axes = np.eye(6)
    vectors = directions(axes[0], axes[1], axes[2], axes[0], each=30, spread=0.05)
    labels = np.repeat([*CLASSES, "ice", "twin"], 30)
    return vectors, labels, np.repeat("sample", 120)


@pytest.fixture
def confidence(embedded):
    return measure_confidence(
        *embedded,
        shots=5,
        draws=3,
        seed=0,
        classes=CLASSES,
        rule="prototype",
        temperature=0.1,
    )


def test_strangers_are_told_by_distance_if_they_lie_elsewhere(confidence):
    assert confidence.ood_auroc["ice"] == 1.0
    assert confidence.ood_auroc["twin"] == pytest.approx(0.5, abs=0.1)


def test_all_queries_of_all_draws_are_in_the_diagram(confidence):
    assert confidence.reliability.shots.sum() == 3 * 2 * 25
    assert confidence.temperature == 0.1


def test_places_lie_towards_strangers_or_away(embedded, adapter_to):
    ice = 10 * np.eye(6)[2]
    measured = [
        measure_confidence(
            *embedded,
            shots=1,
            draws=3,
            seed=0,
            classes=CLASSES,
            rule="learned",
            temperature=0.1,
            adapter=adapter_to([place] * 3),
        )
        for place in (ice, -ice)
    ]

    assert [found.ood_auroc["ice"] for found in measured] == [0.0, 1.0]


def test_the_probability_of_order_is_that_of_all_pairs():
    random = np.random.default_rng(3)
    low, high = random.integers(0, 9, 40), random.integers(2, 12, 30)

    pairs = [(h > least) + 0.5 * (h == least) for least in low for h in high]

    assert auroc(low, high) == pytest.approx(np.mean(pairs))
