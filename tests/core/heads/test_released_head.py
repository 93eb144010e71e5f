"""The released model with supports as people choose them, on disturbed shots too."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("finufft")

from specklenn.core.decision import make_head
from specklenn.core.evaluation.frame_disturbances import (
    Detector,
    add_background,
    add_common_mode,
    add_offset,
    cut_at_mean,
    darken_gap,
    move_frames,
    move_light,
)
from specklenn.core.heads.head import Task
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.preprocess import Preprocessor, prepare
from specklenn.core.simulation.experiment import Experiment, Procedural
from specklenn.core.simulation.simulator import ShotSimulator, per_class

pytestmark = pytest.mark.slow

THREE = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
EACH = 50
"""Shots of each class of each of two particles; the first ones may be supports."""

MOST_SUPPORTS = 20
DRAWS = 10
NOISE = 0.015
"""Of the mean accuracy over all draws."""

DISTURBANCES = (
    add_background,
    add_common_mode,
    add_offset,
    cut_at_mean,
    darken_gap,
    move_frames,
    move_light,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Shots, (sample, class, shot, ...)."""

    frames: np.ndarray
    mask: np.ndarray


@pytest.fixture(scope="module")
def model():
    return checkpoint.load("default")


@pytest.fixture(scope="module")
def run():
    experiment = Experiment(
        procedural=Procedural(count=2, seed=11, atoms=(10_000, 50_000)),
        fractions={name: 1.0 for name in THREE},
        background_photons=20,
    )
    simulator = ShotSimulator(experiment, per_class(experiment.classes, EACH))
    shots = simulator.shots(np.arange(2 * len(THREE) * EACH))
    order = np.lexsort((np.array([THREE.index(x) for x in shots.labels]), shots.names))
    frames = shots.patterns[order]
    return Run(
        frames=frames.reshape(2, len(THREE), EACH, *frames.shape[1:]),
        mask=simulator.mask,
    )


def features_of(model, run):
    """Return features (sample, class, shot, F)."""
    flat = run.frames.reshape(-1, *run.mask.shape)
    prepared = prepare(flat, run.mask, model.preprocessing)
    assert (prepared.flags == 0).all()
    features = extract_features(model.encoder, prepared.inputs)
    return features.reshape(*run.frames.shape[:3], -1)


@pytest.fixture(scope="module")
def features(model, run):
    return features_of(model, run)


def draws(features):
    """Give the shots of every class of one sample, in random orders."""
    for of_sample in features:
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            yield [of_class[random.permutation(EACH)] for of_class in of_sample]


def score(
    model,
    supports: Sequence[np.ndarray],
    queries: Sequence[np.ndarray],
    classes=THREE,
    labels=None,
):
    """Return the accuracy of supports, by class, on queries, classes weighing alike.

    Labels of the supports are those of their classes unless others are given.
    """
    codes = np.repeat(np.arange(len(supports)), [len(one) for one in supports])
    task = Task(
        supports=np.concatenate(supports),
        classes=codes if labels is None else labels,
        n_classes=len(classes),
    )
    fitted = make_head(model.encoder, classes, model.rule, model.temperature).fit(task)
    right = [
        (fitted(one).scores.argmax(axis=1) == code).mean()
        for code, one in enumerate(queries)
    ]
    return np.mean(right)


def accuracy(model, features, n_shot, classes=THREE):
    """Return the mean over all draws, with so many supports a class."""
    return np.mean(
        [
            score(
                model,
                [own[:n_shot] for own in shots],
                [own[MOST_SUPPORTS:] for own in shots],
                classes,
            )
            for shots in draws(features)
        ]
    )


def test_two_samples_may_share_one_support_set(model, features):
    """Five supports of a class: three of one particle and two of the other."""
    found = []
    for one, other in zip(draws(features[:1]), draws(features[1:]), strict=True):
        pairs = list(zip(one, other, strict=True))
        supports = [np.concatenate((a[:3], b[:2])) for a, b in pairs]
        queries = [
            np.concatenate((a[MOST_SUPPORTS:], b[MOST_SUPPORTS:])) for a, b in pairs
        ]
        found.append(score(model, supports, queries))

    assert np.mean(found) > accuracy(model, features, 5) - 0.02


def test_one_wrong_label_among_fifteen_hurts_little(model, features):
    wrong = np.repeat(np.arange(3), 5)
    wrong[0] = 1
    found = [
        score(
            model,
            [own[:5] for own in shots],
            [own[MOST_SUPPORTS:] for own in shots],
            labels=wrong,
        )
        for shots in draws(features)
    ]

    assert np.mean(found) > accuracy(model, features, 5) - NOISE


@pytest.mark.parametrize("rare", range(3), ids=THREE)
def test_classes_may_have_unequal_numbers_of_supports(model, features, rare):
    """One support of one class, ten of the others: no worse than one of each."""
    numbers = [1 if code == rare else 10 for code in range(3)]
    found = [
        score(
            model,
            [own[:n] for own, n in zip(shots, numbers, strict=True)],
            [own[MOST_SUPPORTS:] for own in shots],
        )
        for shots in draws(features)
    ]

    assert np.mean(found) > accuracy(model, features, 1) - NOISE


def test_a_class_may_be_anything_else(model, features):
    """Single-hits against all others, and the more supports the better."""
    found = {}
    for n_shot in (2, 4, 10, 20):
        found[n_shot] = np.mean(
            [
                score(
                    model,
                    [
                        single[:n_shot],
                        np.concatenate((multi[: n_shot // 2], other[: n_shot // 2])),
                    ],
                    [
                        single[MOST_SUPPORTS:],
                        np.concatenate((multi[MOST_SUPPORTS:], other[MOST_SUPPORTS:])),
                    ],
                    (SINGLE_HIT, "anything else"),
                )
                for single, multi, other in draws(features)
            ]
        )

    assert found[4] > 0.9
    assert min(np.diff(list(found.values()))) > -NOISE


@pytest.mark.parametrize(
    "classes",
    [
        (MULTI_HIT, SINGLE_HIT, NON_SAMPLE_HIT),
        (NON_SAMPLE_HIT, SINGLE_HIT, MULTI_HIT),
        ("icosahedra", "", "?"),
    ],
    ids=["two swapped", "all swapped", "unknown"],
)
def test_names_of_classes_do_not_mislead(model, features, classes):
    """Five supports count for more than what the classes are called."""
    found = accuracy(model, features, 5, classes)

    assert found > accuracy(model, features, 5) - 0.03


def disturbed(run, model, seed):
    """Two disturbances of all frames and another gain, drawn by a seed."""
    random = np.random.default_rng(seed)
    frames = run.frames.reshape(-1, *run.mask.shape).astype(np.float32)
    window = Preprocessor(model.preprocessing, run.mask.shape, run.mask).window
    detector = Detector(bad=run.mask, window=window)
    frames = frames * np.float32(np.exp(random.uniform(np.log(0.3), np.log(3))))
    for disturb in random.permutation(DISTURBANCES)[:2]:
        randoms = [np.random.default_rng([seed, row]) for row in range(len(frames))]
        frames = disturb(frames, detector, randoms)
    return Run(frames=frames.reshape(run.frames.shape), mask=run.mask)


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_more_labels_never_hurt(model, run, seed):
    shots = run if seed is None else disturbed(run, model, seed)
    features = features_of(model, shots)

    found = [accuracy(model, features, n_shot) for n_shot in (1, 2, 5, 10, 20)]

    best_before = np.maximum.accumulate(found)
    assert (found > best_before - NOISE).all()
