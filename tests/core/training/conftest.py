"""Small things to train on and with."""

import numpy as np
import pytest
import torch

from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.preprocess import Preprocessing
from specklenn.core.training.data import TrainingData
from specklenn.core.training.episode_conditions import EpisodeConditions
from specklenn.core.training.settings import Episodes, Training

CLASSES = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
BRIGHT = EpisodeConditions(fluence=(5.0, 20.0))


@pytest.fixture(scope="session")
def few_shot():
    return Training(
        network="compact-3",
        episodes=Episodes(per_step=2, patterns_per_class=6, datasets=(BRIGHT, BRIGHT)),
        preprocess=Preprocessing(crop=32, bin=1, standardise=False),
        classes=CLASSES,
        embedding_size=16,
        learning_rate=3e-3,
        steps=40,
    )


@pytest.fixture(scope="session")
def triplets(few_shot):
    return few_shot.model_copy(
        update={
            "network": "specklenn-2023",
            "preprocess": Preprocessing(crop=32, bin=1),
            "episodes": None,
            "exposure": None,
            "samples_per_step": 4,
            "patterns_per_class": 4,
        }
    )


@pytest.fixture(params=["few_shot", "triplets"])
def settings(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def make_data():
    return drawn_data


def drawn_data(samples=4):
    """Round blobs; the same with fringes; streaks. Two datasets of two samples."""
    random = np.random.default_rng(0)
    axis = np.arange(44) - 21.5
    patterns = []
    for sample in range(samples):
        blob = 8 * np.exp(-(axis[:, None] ** 2 + axis**2) / (60 + 30 * sample))
        streak = 8 * np.exp(-((axis[:, None]) ** 2) / 8) * np.ones(44)
        for label in range(3):
            for _ in range(8):
                wave = 1 + np.cos(axis * (1.2 + 0.1 * sample) + random.uniform(0, 6))
                patterns.append([blob, blob * wave, streak][label])
    rows = torch.arange(24 * samples)
    return TrainingData(
        patterns=torch.tensor(np.array(patterns), dtype=torch.float16),
        bad=torch.zeros(44, 44, dtype=torch.bool),
        samples=rows // 24,
        labels=rows // 8 % 3,
        classes=CLASSES,
        files=(rows >= 48).long(),
        sample_names=tuple(f"sample {number}" for number in range(samples)),
        file_names=("a.h5", "b.h5"),
    )
