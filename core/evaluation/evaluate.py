"""The evaluation of few-shot classifiers: the same draws for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from specklenn.core.evaluation.classifiers import FewShotClassifier, MethodVariant
from specklenn.core.evaluation.few_shot import Draw, FewShotDraws
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.evaluation.scores import (
    Score,
    ScoreSummary,
    mean_score,
    score_labels,
    summarise,
)


class Task(NamedTuple):
    """One classifier on the draws of one sample."""

    classifier: FewShotClassifier
    n_shot: int
    sample: str
    draws: Sequence[Draw]


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotScores:
    """What classifiers reach on the draws of one set of patterns.

    Parameters
    ----------
    by_variant : dict of MethodVariant to dict of int to ScoreSummary
        For every number of supports per class, in the order asked for.
    draws : FewShotDraws
    """

    by_variant: Mapping[MethodVariant, Mapping[int, ScoreSummary]]
    draws: FewShotDraws

    @property
    def first(self) -> Mapping[int, ScoreSummary]:
        """Those of the first variant of the first classifier."""
        return next(iter(self.by_variant.values()))

    @property
    def main_n_shot(self) -> int:
        """The number of supports for what is shown once."""
        return self.draws.main_n_shot

    @property
    def main(self) -> ScoreSummary:
        """Of `first`, the scores at `main_n_shot`."""
        return self.first[self.main_n_shot]


def evaluate(
    classifiers: Sequence[FewShotClassifier],
    draws: FewShotDraws,
    watch: ProgressFn[Task] = silent,
) -> FewShotScores:
    """Score every classifier with the same supports and queries.

    Parameters
    ----------
    classifiers : sequence of FewShotClassifier
        Of the patterns that were drawn from.
    draws : FewShotDraws
    watch : function
        For a progress bar.
    """
    found: dict[MethodVariant, dict[int, dict[str, Score]]] = {
        variant: {n_shot: {} for n_shot in draws.by_n_shot}
        for classifier in classifiers
        for variant in classifier.variants
    }
    tasks = [
        Task(classifier, n_shot, sample, of_sample)
        for classifier in classifiers
        for n_shot, samples in draws.by_n_shot.items()
        for sample, of_sample in samples.items()
    ]
    for task in watch(tasks):
        of_draws = [score_draw(task.classifier, draw) for draw in task.draws]
        for variant, scores in zip(
            task.classifier.variants, zip(*of_draws, strict=True), strict=True
        ):
            found[variant][task.n_shot][task.sample] = mean_score(scores)
    return FewShotScores(
        by_variant={
            variant: {
                n_shot: summarise(per_sample, draws.classes)
                for n_shot, per_sample in by_n_shot.items()
            }
            for variant, by_n_shot in found.items()
        },
        draws=draws,
    )


def score_draw(classifier: FewShotClassifier, draw: Draw) -> list[Score]:
    """Return the score of the queries of a draw for every variant of a classifier."""
    measure = classifier.fit(draw)
    return [
        score_labels(draw.query_classes, found.scores.argmax(axis=1), draw.n_classes)
        for found in measure(draw.queries)
    ]
