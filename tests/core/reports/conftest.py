"""Scores with known numbers."""

import numpy as np
import pytest

from specklenn.core.evaluation.evaluate import FewShotScores
from specklenn.core.evaluation.few_shot import FewShotDraws
from specklenn.core.evaluation.scores import Estimate, Score, ScoreSummary


def make_score(accuracy):
    """Return a score whose F1 is half its accuracy."""
    return Score(
        accuracy=accuracy,
        f1=accuracy / 2,
        precision=0.5,
        recall=0.5,
        confusion=np.zeros((2, 2), np.int64),
    )


@pytest.fixture(scope="session")
def make_summary():
    """Make a summary of an accuracy and of the accuracies of samples."""

    def call(accuracy, f1=0.5, **samples):
        return ScoreSummary(
            accuracy=Estimate(mean=accuracy, low=accuracy - 0.1, high=accuracy + 0.1),
            f1=Estimate(mean=f1, low=f1 - 0.2, high=f1 + 0.2),
            precision=0.25,
            recall=0.75,
            confusion={"a": {"a": 0.75, "b": 0.25}, "b": {"a": 0.125, "b": 0.875}},
            per_sample={name: make_score(value) for name, value in samples.items()},
        )

    return call


@pytest.fixture(scope="session")
def make_scores():
    """Make scores of some variants, each given by its summaries."""

    def call(by_variant, total=8):
        numbers = next(iter(by_variant.values()))
        draws = FewShotDraws(
            classes=("a", "b"),
            by_n_shot={n_shot: {} for n_shot in numbers},
            left_out=(),
            patterns={},
            total=total,
            ood_rows={},
        )
        return FewShotScores(by_variant=by_variant, draws=draws)

    return call
