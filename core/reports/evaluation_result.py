"""What evaluations find: scores by fluence, and all of ``specklenn evaluate``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from specklenn.core.distances import Rule
from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.disturbance_table import DisturbanceTable
from specklenn.core.evaluation.evaluate import FewShotScores
from specklenn.core.evaluation.few_shot import EvaluationSettings
from specklenn.core.reports.sample_sizes import Sizes

BASELINE = 1.0
BRIGHT = 100.0
"""The fluence that Fig. 7 of the paper shows beside the baseline."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoresByFluence:
    """Scores of one file.

    Parameters
    ----------
    data : str
        The file.
    settings : EvaluationSettings
    by_fluence : dict of fluence to FewShotScores
        At the fluences of a scan; else under None, of the patterns as they are.
    """

    data: str
    settings: EvaluationSettings
    by_fluence: Mapping[float | None, FewShotScores]

    @property
    def scan(self) -> dict[float, FewShotScores]:
        """The scores at each fluence; empty without a scan."""
        return {at: found for at, found in self.by_fluence.items() if at is not None}

    @property
    def fluence(self) -> float | None:
        """The fluence of the scan that is nearest to the baseline, if there is one."""
        return main_fluence(self.by_fluence)

    @property
    def main(self) -> FewShotScores:
        """The scores at `fluence`."""
        return self.by_fluence[self.fluence]


def main_fluence(fluences: Iterable[float | None]) -> float | None:
    """Return the fluence of a scan that is nearest to the baseline; None without."""
    scanned = [fluence for fluence in fluences if fluence is not None]
    return nearest(scanned, BASELINE) if scanned else None


def nearest(fluences: list[float], wanted: float) -> float:
    """Return the fluence with the smallest ratio to the one wanted."""
    return min(fluences, key=lambda fluence: max(fluence / wanted, wanted / fluence))


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult(ScoresByFluence):
    """One evaluation.

    Parameters
    ----------
    weights : str
        The model as it was given.
    sha256 : str
        Of the weights.
    rule : Rule
        How the supports of a class give one distance.
    confidence : Confidence
        At the main number of supports and fluence.
    sizes : Sizes or None
    disturbances : DisturbanceTable or None
        At the main fluence, if they were measured.
    """

    weights: str
    sha256: str
    rule: Rule
    confidence: Confidence
    sizes: Sizes | None = None
    disturbances: DisturbanceTable | None = None

    @property
    def assumptions(self) -> tuple[str, str, str]:
        """What the intervals are over, and what was measured that no run does."""
        samples = len(self.main.main.per_sample)
        over = (
            f"Intervals are over {samples} samples; few samples make them wide."
            if samples > 1
            else "One sample: intervals are over its shots and draws of supports, and "
            "say nothing of other samples."
        )
        return (
            over,
            f"Supports were drawn {self.settings.draws} times from each sample itself, "
            "and the best class counts where a run would say unknown. What a run makes "
            "of these shots with supports of your own:",
            f"specklenn evaluate {self.data} --supports support.yaml",
        )

    def sample_table(self) -> tuple[list[str], list[list[str]]]:
        """Return headings and rows: samples at each fluence and number of supports."""
        quantity = self.sizes.quantity if self.sizes else "atoms"
        counts = [f"patterns {name}" for name in self.settings.classes]
        headings = ["name", quantity, "fluence", "shots", "accuracy", "f1", *counts]
        return headings, list(self._sample_rows())

    def _sample_rows(self) -> Iterator[list[str]]:
        sizes = self.sizes.of if self.sizes else {}
        for fluence, scores in self.by_fluence.items():
            for n_shot, summary in scores.first.items():
                for name, score in summary.per_sample.items():
                    yield [
                        name,
                        f"{sizes[name]:g}" if name in sizes else "",
                        "" if fluence is None else f"{fluence:g}",
                        str(n_shot),
                        f"{score.accuracy:.4f}",
                        f"{score.f1:.4f}",
                        *map(str, scores.draws.patterns[name].values()),
                    ]

    def by_size(self) -> dict[str, FewShotScores]:
        """Return what Fig. 7 shows: the baseline and, if scanned, a bright beam."""
        if self.fluence is None:
            return {"": self.main}
        chosen = dict.fromkeys((self.fluence, nearest(list(self.scan), BRIGHT)))
        return {f"fluence {fluence:g}": self.by_fluence[fluence] for fluence in chosen}
