"""Scores as JSON: the keys that scripts rely on are written here and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from specklenn.core.evaluation.calibration_report import Confidence
from specklenn.core.evaluation.disturbance_table import DisturbanceTable
from specklenn.core.evaluation.scores import Score, ScoreSummary
from specklenn.core.reports.comparison_result import ComparisonResult
from specklenn.core.reports.evaluation_result import EvaluationResult
from specklenn.core.reports.sample_sizes import Sizes

Json = dict[str, object]

SHORT_KEYS = ("accuracy", "f1", "ci95", "f1_ci95", "confusion")
"""Of every fluence and disturbance."""


def evaluation_json(result: EvaluationResult) -> str:
    """Return what ``specklenn evaluate --json`` writes."""
    settings = result.settings
    found: Json = {
        "shots": _scores(result.main.first, result.sizes),
        "n_patterns": result.main.draws.total,
        "weights": result.weights,
        "sha256": result.sha256,
        "rule": result.rule,
        "classes": settings.classes,
        "draws": settings.draws,
        "seed": settings.seed,
        "area": settings.area,
        "confidence": _confidence(result.confidence),
    }
    if result.scan:
        found["fluence"] = result.fluence
        found["fluence_scan"] = {
            f"{fluence:g}": _short_scores(scores.first)
            for fluence, scores in result.scan.items()
        }
    if result.disturbances is not None:
        found["disturbances"] = _disturbances(result.disturbances)
    return _text(found)


def comparison_json(result: ComparisonResult) -> str:
    """Return what ``specklenn compare --json`` writes."""
    settings = result.settings
    return _text(
        {
            "data": result.data,
            "n_patterns": result.main.draws.total,
            "models": result.models,
            "train": result.train,
            "classes": settings.classes,
            "draws": settings.draws,
            "seed": settings.seed,
            "area": settings.area,
            "results": [
                {"fluence": fluence, **asdict(variant), "shots": _scores(by_n_shot)}
                for fluence, scores in result.by_fluence.items()
                for variant, by_n_shot in scores.by_variant.items()
            ],
        }
    )


def _scores(
    by_n_shot: Mapping[int, ScoreSummary], sizes: Sizes | None = None
) -> dict[str, Json]:
    return {str(n_shot): _summary(found, sizes) for n_shot, found in by_n_shot.items()}


def _short_scores(by_n_shot: Mapping[int, ScoreSummary]) -> dict[str, Json]:
    return {
        n_shot: {key: summary[key] for key in SHORT_KEYS}
        for n_shot, summary in _scores(by_n_shot).items()
    }


def _summary(summary: ScoreSummary, sizes: Sizes | None) -> Json:
    return {
        "accuracy": summary.accuracy.mean,
        "f1": summary.f1.mean,
        "precision": summary.precision,
        "recall": summary.recall,
        "ci95": (summary.accuracy.low, summary.accuracy.high),
        "f1_ci95": (summary.f1.low, summary.f1.high),
        "confusion": summary.confusion,
        "per_sample": {
            name: _sample(name, score, sizes)
            for name, score in summary.per_sample.items()
        },
    }


def _sample(name: str, score: Score, sizes: Sizes | None) -> Json:
    size = {} if sizes is None else {sizes.quantity: sizes.of.get(name)}
    return {"accuracy": score.accuracy, "f1": score.f1, **size}


def _confidence(confidence: Confidence) -> Json:
    bins = confidence.reliability
    return {
        "supports": confidence.n_shot,
        "temperature": confidence.temperature,
        "best_temperature": confidence.best_temperature,
        "log_loss": confidence.log_loss,
        "calibration_error": bins.error,
        "queries": bins.shots.tolist(),
        "mean_score": _numbers(bins.score),
        "share_right": _numbers(bins.right),
        "unknown": confidence.unknown,
        "accuracy_of_known": _number(confidence.accuracy_of_known),
        "strangers": confidence.ood_auroc,
        "strangers_unknown": confidence.ood_unknown,
    }


def _disturbances(table: DisturbanceTable) -> Json:
    return {
        "supports": table.main_n_shot,
        "unusable": table.unusable,
        "rows": {
            row.disturbance.name: {
                "meaning": row.disturbance.meaning,
                "shots": _short_scores(row.by_n_shot),
                "change": {
                    str(n_shot): table.change(row, n_shot) for n_shot in row.by_n_shot
                },
                "log_loss": row.log_loss,
            }
            for row in table.rows
        },
    }


def _numbers(values: npt.NDArray[np.float64]) -> list[float | None]:
    """Return numbers as JSON knows them, None for an empty bin."""
    return [_number(value) for value in values]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _text(found: Json) -> str:
    return json.dumps(found, indent=2) + "\n"
