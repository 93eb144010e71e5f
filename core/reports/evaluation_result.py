"""Everything that one evaluation found, for the terminal, the files and the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.measurement import EvaluationSettings, FewShotScores
from specklenn.core.reports.sample_sizes import Sizes

SCAN_KEYS = ("accuracy", "f1", "ci95", "f1_ci95", "confusion")
BRIGHT = 100.0
"""The fluence that Fig. 7 of the paper shows beside the baseline."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationResult:
    """One evaluation.

    Parameters
    ----------
    data, weights : str
        The file and the model as they were given.
    sha256 : str
        Of the weights.
    conditions : EvaluationSettings
    measured : dict of fluence to FewShotScores
        At the fluences of a scan; else under None, of the patterns as they are.
    sizes : Sizes or None
    """

    data: str
    weights: str
    sha256: str
    conditions: EvaluationSettings
    measured: dict[float | None, FewShotScores]
    sizes: Sizes | None = None

    @property
    def scan(self) -> dict[float, FewShotScores]:
        """What was measured at each fluence; empty without a scan."""
        return {at: found for at, found in self.measured.items() if at is not None}

    @property
    def fluence(self) -> float | None:
        """The fluence of the scan that is nearest to the baseline, if there is one."""
        return nearest(list(self.scan), 1.0) if self.scan else None

    @property
    def main(self) -> FewShotScores:
        """What was measured at `fluence`."""
        return self.measured[self.fluence]

    def summary(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        asked = self.conditions
        found: dict[str, Any] = {
            "shots": self._with_sizes(),
            "n_patterns": self.main.total,
            "weights": self.weights,
            "sha256": self.sha256,
            "rule": asked.rule,
            "classes": list(asked.classes),
            "draws": asked.draws,
            "seed": asked.seed,
            "area": asked.area,
            "confidence": _plain(self.main.confidence),
        }
        if self.scan:
            found["fluence"] = self.fluence
            found["fluence_scan"] = {
                f"{fluence:g}": {
                    shots: {key: summary[key] for key in SCAN_KEYS}
                    for shots, summary in measured.scores.items()
                }
                for fluence, measured in self.scan.items()
            }
        return found

    def _with_sizes(self) -> dict[str, Any]:
        """Return the scores with the size of every sample that has one."""
        sizes = self.sizes
        if sizes is None:
            return self.main.scores
        return {
            shots: {
                **summary,
                "per_sample": {
                    name: {**score, sizes.quantity: sizes.of.get(name)}
                    for name, score in summary["per_sample"].items()
                },
            }
            for shots, summary in self.main.scores.items()
        }

    def sample_table(self) -> tuple[list[str], list[list[str]]]:
        """Return headings and rows: each sample at each fluence and number of shots."""
        quantity = self.sizes.quantity if self.sizes else "atoms"
        counts = [f"patterns {name}" for name in self.conditions.classes]
        headings = ["name", quantity, "fluence", "shots", "accuracy", "f1", *counts]
        return headings, list(self._sample_rows())

    def _sample_rows(self) -> Iterator[list[str]]:
        sizes = self.sizes.of if self.sizes else {}
        for fluence, measured in self.measured.items():
            for shots, summary in measured.scores.items():
                for name, score in summary["per_sample"].items():
                    yield [
                        name,
                        f"{sizes[name]:g}" if name in sizes else "",
                        "" if fluence is None else f"{fluence:g}",
                        shots,
                        f"{score['accuracy']:.4f}",
                        f"{score['f1']:.4f}",
                        *map(str, measured.patterns[name].values()),
                    ]

    def by_size(self) -> dict[str, FewShotScores]:
        """Return what Fig. 7 shows: the baseline and, if scanned, a bright beam."""
        if self.fluence is None:
            return {"": self.main}
        chosen = dict.fromkeys((self.fluence, nearest(list(self.scan), BRIGHT)))
        return {f"fluence {fluence:g}": self.measured[fluence] for fluence in chosen}


def _plain(confidence: Confidence) -> dict[str, Any]:
    found = confidence.reliability
    return {
        "supports": confidence.shots,
        "temperature": confidence.temperature,
        "best_temperature": confidence.best_temperature,
        "calibration_error": found.error,
        "queries": found.shots.tolist(),
        "mean_score": _numbers(found.score),
        "share_right": _numbers(found.right),
        "ood_auroc": confidence.ood_auroc,
    }


def _numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Return numbers as JSON knows them, None for an empty bin."""
    return [None if np.isnan(value) else float(value) for value in values]


def nearest(fluences: list[float], wanted: float) -> float:
    """Return the fluence with the smallest ratio to the one wanted."""
    return min(fluences, key=lambda fluence: max(fluence / wanted, wanted / fluence))
