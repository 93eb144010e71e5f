"""How accuracy suffers by disturbances: the same draws with each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specklenn.core.data.masks import Mask
from specklenn.core.evaluation.calibration import log_loss
from specklenn.core.evaluation.classifiers import FewShotClassifier
from specklenn.core.evaluation.disturbances import Disturbance
from specklenn.core.evaluation.draw_disturbances import DrawsBySample
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import (
    EvaluationSettings,
    FewShotDraws,
    draw_few_shot,
)
from specklenn.core.evaluation.labelled_file import Embedded
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.evaluation.scores import ScoreSummary

UNDISTURBED = Disturbance(name="none", meaning="patterns and supports as they are")

MakeClassifier = Callable[[Embedded], FewShotClassifier]


@dataclass(frozen=True, kw_only=True, eq=False)
class DisturbedScores:
    """What a classifier reaches with one disturbance.

    Parameters
    ----------
    disturbance : Disturbance
    by_n_shot : dict of int to ScoreSummary
        Without the numbers of supports that it cannot be measured with.
    log_loss : float or None
        Mean negative logarithm of the score of the right class, nats, at the main
        number of supports.
    """

    disturbance: Disturbance
    by_n_shot: Mapping[int, ScoreSummary]
    log_loss: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class DisturbanceTable:
    """What a classifier reaches with each of some disturbances.

    Parameters
    ----------
    undisturbed : DisturbedScores
        Of the same patterns and draws.
    disturbed : tuple of DisturbedScores
    main_n_shot : int
        The number of supports for what is shown once.
    unusable : int
        Patterns left out of all rows, since a disturbance leaves nothing of them that
        can be classified.
    """

    undisturbed: DisturbedScores
    disturbed: tuple[DisturbedScores, ...]
    main_n_shot: int
    unusable: int

    @property
    def rows(self) -> tuple[DisturbedScores, ...]:
        """The undisturbed scores and all others."""
        return (self.undisturbed, *self.disturbed)

    @property
    def n_shots(self) -> tuple[int, ...]:
        """The numbers of supports."""
        return tuple(self.undisturbed.by_n_shot)

    def change(self, row: DisturbedScores, n_shot: int) -> float | None:
        """Return accuracy less that without a disturbance, None if not measured."""
        if n_shot not in row.by_n_shot:
            return None
        plain = self.undisturbed.by_n_shot[n_shot].accuracy.mean
        return row.by_n_shot[n_shot].accuracy.mean - plain

    def cells(self, row: DisturbedScores) -> list[str]:
        """Return accuracies, the main change and the log loss as text."""
        found = [row.by_n_shot.get(n_shot) for n_shot in self.n_shots]
        change = self.change(row, self.main_n_shot)
        return [
            *("-" if one is None else f"{one.accuracy.mean:.4f}" for one in found),
            "-" if change is None else f"{change:+.4f}",
            "-" if row.log_loss is None else f"{row.log_loss:.3f}",
        ]

    def missing(self) -> list[str]:
        """Return why rows or patterns are missing, a sentence each."""
        reasons = [
            f"{row.disturbance.name}: needs {row.disturbance.needs}"
            for row in self.disturbed
            if not row.by_n_shot
        ]
        if self.unusable:
            reasons.append(
                f"{self.unusable} patterns that cannot be classified when disturbed"
            )
        return reasons


def measure_disturbances(
    chosen: Sequence[Disturbance],
    plain: Embedded,
    disturbed: Mapping[str, Embedded],
    make_classifier: MakeClassifier,
    settings: EvaluationSettings,
    watch: ProgressFn[Disturbance] = silent,
) -> DisturbanceTable:
    """Score a classifier without and with disturbances, on the same draws.

    Parameters
    ----------
    chosen : sequence of Disturbance
    plain : Embedded
        The patterns as they are.
    disturbed : dict of name to Embedded
        The same patterns by every disturbance of frames.
    make_classifier : function
        Returns the classifier of patterns; its first variant counts.
    settings : EvaluationSettings
    watch : function
        For a progress bar.

    Raises
    ------
    DataError
        If no number of supports can be drawn.
    """
    names = ("", *disturbed)
    shared = dict(zip(names, keep_shared([plain, *disturbed.values()]), strict=True))
    draws = draw_few_shot(shared[""].labels, shared[""].names, settings)
    undisturbed, *scores = [
        _score(
            each,
            make_classifier(shared.get(each.name, shared[""])),
            _disturb(draws, each),
            draws.main_n_shot,
        )
        for each in watch((UNDISTURBED, *chosen))
    ]
    return DisturbanceTable(
        undisturbed=undisturbed,
        disturbed=tuple(scores),
        main_n_shot=draws.main_n_shot,
        unusable=len(plain.rows) - len(shared[""].rows),
    )


def keep_shared(embedded: Sequence[Embedded]) -> list[Embedded]:
    """Return the patterns that can be classified in every exposure of a file.

    Then the draws are the same in all of them.
    """
    rows = embedded[0].rows
    for each in embedded[1:]:
        rows = np.intersect1d(rows, each.rows, assume_unique=True)
    return [_take(each, np.isin(each.rows, rows)) for each in embedded]


def _take(embedded: Embedded, kept: Mask) -> Embedded:
    return replace(
        embedded,
        features=embedded.features[kept],
        labels=embedded.labels[kept],
        names=embedded.names[kept],
        rows=embedded.rows[kept],
    )


def _disturb(draws: FewShotDraws, disturbance: Disturbance) -> FewShotDraws:
    """Return draws as a disturbance of draws leaves them, without those left empty."""
    if disturbance.draws is None:
        return draws
    disturbed = {
        n_shot: disturbance.draws(samples)
        for n_shot, samples in draws.by_n_shot.items()
    }
    left = {n_shot: samples for n_shot, samples in disturbed.items() if samples}
    return replace(draws, by_n_shot=left)


def _score(
    disturbance: Disturbance,
    classifier: FewShotClassifier,
    draws: FewShotDraws,
    main_n_shot: int,
) -> DisturbedScores:
    main = draws.by_n_shot.get(main_n_shot)
    return DisturbedScores(
        disturbance=disturbance,
        by_n_shot=evaluate([classifier], draws).first,
        log_loss=None if main is None else _mean_log_loss(classifier, main),
    )


def _mean_log_loss(classifier: FewShotClassifier, draws: DrawsBySample) -> float:
    """Return the log loss of a classifier's first variant, mean over draws."""
    found = [
        log_loss(classifier.fit(draw)(draw.queries)[0].scores, draw.query_classes)
        for of_sample in draws.values()
        for draw in of_sample
    ]
    return float(np.mean(found))
