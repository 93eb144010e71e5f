"""A few-shot measurement: its conditions and what came out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from specklenn.core.distances import Rule
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.calibration_report import Confidence, measure_confidence
from specklenn.core.evaluation.few_shot import TWO_WAY, evaluate, group_rows
from specklenn.core.evaluation.labelled_file import Embedded, LabelledFile
from specklenn.core.network.checkpoint import TEMPERATURE
from specklenn.core.network.prototype_adapter import PrototypeAdapter

Scores = dict[str, Any]
"""Per number of shots, see `specklenn.core.evaluation.few_shot.evaluate`."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How few-shot accuracy is measured.

    Parameters
    ----------
    shots : tuple of int
        Supports per class.
    draws : int
        Draws of supports per sample.
    seed : int
    classes : tuple of str
        The first is the one whose F1 is reported; names joined by + are one class.
    rule : Rule
        How the supports of a class give one distance.
    area : str
        What of the detector is used, in words.
    temperature : float
        Of the scores.
    adapter : PrototypeAdapter or None
        The network's.
    """

    shots: tuple[int, ...] = (1, 5, 20)
    draws: int = 5
    seed: int = 0
    classes: tuple[str, ...] = TWO_WAY
    rule: Rule = "mean"
    area: str = "whole"
    temperature: float = TEMPERATURE
    adapter: PrototypeAdapter | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class FewShotScores:
    """What came out.

    Parameters
    ----------
    scores : dict
        For the numbers of shots that the data allow.
    left_out : tuple of str
        Why other numbers of shots are not there, a sentence each.
    patterns : dict of sample to dict of class to int
        How many could be judged.
    total : int
        How many could be judged, other classes included.
    confidence : Confidence
        At `main_shots`.
    """

    scores: Scores
    left_out: tuple[str, ...]
    patterns: dict[str, dict[str, int]]
    total: int
    confidence: Confidence

    @property
    def main_shots(self) -> int:
        """The number of shots for what is shown once: the middle one."""
        return _middle(self.scores)

    @property
    def main(self) -> dict[str, Any]:
        """The scores at `main_shots`."""
        found: dict[str, Any] = self.scores[str(self.main_shots)]
        return found


def measure(embedded: Embedded, conditions: EvaluationSettings) -> FewShotScores:
    """Measure every number of shots that the data allow.

    Raises
    ------
    DataError
        If they allow none.
    """
    scores: Scores = {}
    left_out = []
    for shots in conditions.shots:
        try:
            scores |= evaluate(
                embedded.embeddings,
                embedded.labels,
                embedded.names,
                shots=(shots,),
                draws=conditions.draws,
                seed=conditions.seed,
                classes=conditions.classes,
                rule=conditions.rule,
                adapter=conditions.adapter,
            )
        except DataError as error:
            left_out.append(str(error))
    if not scores:
        raise DataError("; ".join(left_out))
    return FewShotScores(
        scores=scores,
        left_out=tuple(left_out),
        patterns=_count(embedded, conditions.classes),
        total=len(embedded.labels),
        confidence=measure_confidence(
            embedded.embeddings,
            embedded.labels,
            embedded.names,
            shots=_middle(scores),
            draws=conditions.draws,
            seed=conditions.seed,
            classes=conditions.classes,
            rule=conditions.rule,
            temperature=conditions.temperature,
            adapter=conditions.adapter,
        ),
    )


def check_classes(file: LabelledFile, classes: Sequence[str]) -> None:
    """Refuse classes that cannot be told apart with these data.

    Raises
    ------
    ConfigError
        If there is only one, one stands twice, or the file has no pattern of one.
    """
    parts = [part for name in classes for part in name.split("+")]
    if len(classes) < 2:
        raise ConfigError(f"--classes: {classes[0]} alone, at least two expected")
    twice = sorted({part for part in parts if parts.count(part) > 1})
    if twice:
        raise ConfigError(f"--classes: {_listed(twice)} found more than once")
    there = sorted(set(file.labels.tolist()))
    unknown = [part for part in parts if part not in there]
    if unknown:
        raise ConfigError(
            f"--classes: no pattern of {_listed(unknown)} in {file.path}; its labels "
            f"are {_listed(there)}"
        )


def _middle(scores: Scores) -> int:
    numbers = sorted(map(int, scores))
    return numbers[len(numbers) // 2]


def _count(embedded: Embedded, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    groups = group_rows(embedded.labels, embedded.names, classes)
    return {
        name: dict(zip(classes, map(len, members), strict=True))
        for name, members in groups.items()
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
