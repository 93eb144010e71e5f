"""What evaluations have in common: scores of patterns as they are, or of a scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from specklenn.core.evaluation.evaluate import FewShotScores
from specklenn.core.evaluation.few_shot import EvaluationSettings

BASELINE = 1.0


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
