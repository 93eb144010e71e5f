"""How good a network is while it is trained: few-shot accuracies on other samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.data.labelled_dataset import LabelledDataset
from specklenn.core.decision import make_head
from specklenn.core.distances import Rule
from specklenn.core.errors import DataError
from specklenn.core.evaluation.calibration_report import measure_confidence
from specklenn.core.evaluation.classifiers import model_classifier
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import (
    TWO_WAY,
    EvaluationSettings,
    draw_few_shot,
)
from specklenn.core.network.checkpoint import TEMPERATURE
from specklenn.core.network.features import extract_features
from specklenn.core.network.registry import Network
from specklenn.core.preprocess import Preprocessing, prepare
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName

SHOTS = (1, 5, 20)
DECIDING = 5
"""Supports per class in the accuracy by which weights are chosen."""

DRAWS = 2


class ValidationFile(Settings):
    """A dataset that a network is validated on while it is trained.

    Parameters
    ----------
    file : path
        Labelled shots, with noise, of samples that are not trained on.
    classes : tuple of str or None
        To tell apart; + joins several to one. By default single-hits and
        multi-hits, or whatever the file has if it lacks one of them.
    weight : float
        In the mean that decides.
    """

    file: FileName
    classes: tuple[str, ...] | None = Field(default=None, min_length=2)
    weight: float = Field(default=1.0, gt=0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationSet:
    """Prepared patterns of one validation file.

    Parameters
    ----------
    name : str
        In the log.
    inputs : (N, side, side) float32
    labels, names : (N,) str
    classes : tuple of str
    weight : float
    rule : {"mean", "nearest", "soft", "prototype", "learned"}
    """

    name: str
    inputs: npt.NDArray[np.float32]
    labels: npt.NDArray[np.str_]
    names: npt.NDArray[np.str_]
    classes: tuple[str, ...]
    weight: float = 1.0
    rule: Rule = "mean"

    def validate(self, encoder: Network) -> tuple[dict[int, float], float]:
        """Measure a network in evaluation mode.

        Returns
        -------
        accuracies : dict of int to float
            For each number of supports that the patterns allow.
        temperature : float
            The one that fits five-shot distances best.
        """
        head = make_head(encoder, self.classes, self.rule, TEMPERATURE)
        features = extract_features(encoder, self.inputs)
        classifier = model_classifier(self.name, features, {self.rule: head})
        settings = EvaluationSettings(n_shot=SHOTS, draws=DRAWS, classes=self.classes)
        draws = draw_few_shot(self.labels, self.names, settings)
        scores = evaluate([classifier], draws).first
        confidence = measure_confidence(classifier, draws, TEMPERATURE, DECIDING)
        return (
            {n_shot: found.accuracy.mean for n_shot, found in scores.items()},
            confidence.best_temperature,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationResult:
    """What the validation files say of a network.

    Parameters
    ----------
    score : float
        Weighted mean of the five-shot accuracies; it decides.
    accuracies : dict of name to dict of int to float
        By file and number of supports.
    temperature : float
        Of the scores: the weighted geometric mean of those that fit each file best.
    """

    score: float
    accuracies: dict[str, dict[int, float]]
    temperature: float


def validate(encoder: Network, sets: Sequence[ValidationSet]) -> ValidationResult:
    """Measure a network in evaluation mode on one or more validation sets."""
    weights = [one.weight for one in sets]
    found = [one.validate(encoder) for one in sets]
    accuracies = {
        one.name: of_set for one, (of_set, _) in zip(sets, found, strict=True)
    }
    score = np.average([of[DECIDING] for of, _ in found], weights=weights)
    logs = [np.log(temperature) for _, temperature in found]
    return ValidationResult(
        score=float(score),
        accuracies=accuracies,
        temperature=float(np.exp(np.average(logs, weights=weights))),
    )


def load_validation(
    files: Sequence[ValidationFile],
    patterns: int,
    preprocessing: Preprocessing,
    rule: Rule,
) -> list[ValidationSet]:
    """Read and prepare validation files.

    Parameters
    ----------
    files : sequence of ValidationFile
    patterns : int
        Most per class and sample.
    preprocessing : Preprocessing
    rule : {"mean", "nearest", "soft", "prototype", "learned"}

    Raises
    ------
    DataError
        If a file has no labels or names, lacks a class, or no sample has more
        patterns of every class than there are supports.
    """
    return [
        _load(file, name, patterns, preprocessing, rule)
        for file, name in zip(files, set_names(files), strict=True)
    ]


def set_names(files: Sequence[ValidationFile]) -> list[str]:
    """Return a name for each file: its stem, with a number if there are several."""
    names: list[str] = []
    for file in files:
        stem = file.file.stem
        before = sum(other.file.stem == stem for other in files[: len(names)])
        names.append(f"{stem}-{before + 1}" if before else stem)
    return names


def first_of_each(
    labels: npt.NDArray[np.str_], names: npt.NDArray[np.str_], most: int
) -> npt.NDArray[np.int64]:
    """Return the first rows of every class of every sample, at most so many each."""
    _, group = np.unique(
        np.char.add(np.char.add(labels, "\n"), names), return_inverse=True
    )
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    number = np.arange(len(order)) - starts
    return np.sort(order[number < most])


def _load(
    file: ValidationFile,
    name: str,
    patterns: int,
    preprocessing: Preprocessing,
    rule: Rule,
) -> ValidationSet:
    with LabelledDataset(file.file) as dataset:
        labels = dataset.need_labels("validation")
        names = dataset.need_names("validation")
        classes = _classes(file, labels)
        kept = first_of_each(labels, names, patterns)
        kept = kept[np.isin(labels[kept], _parts(classes))]
        labels, names = labels[kept], names[kept]
        _check_amount(file.file, labels, names, classes)
        prepared = prepare(
            dataset.frames(kept), dataset.mask, preprocessing, dataset.bad_in(kept)
        )
    return ValidationSet(
        name=name,
        inputs=prepared.inputs,
        labels=labels,
        names=names,
        classes=classes,
        weight=file.weight,
        rule=rule,
    )


def _classes(file: ValidationFile, labels: npt.NDArray[np.str_]) -> tuple[str, ...]:
    there = set(np.unique(labels).tolist())
    chosen = file.classes
    if chosen is None:
        two_way = TWO_WAY
        chosen = two_way if set(two_way) <= there else tuple(sorted(there))
    missing = {*_parts(chosen)} - there
    if missing or len(chosen) < 2:
        raise DataError(
            f"{file.file}: two classes or more are needed for validation"
            + (f", among them {', '.join(sorted(missing))}" if missing else "")
            + f"; there are {', '.join(sorted(there)) or 'no labels'}"
        )
    return chosen


def _parts(classes: Sequence[str]) -> list[str]:
    """Return the labels that classes are joined of."""
    return [part for name in classes for part in name.split("+")]


def _check_amount(
    path: Path,
    labels: npt.NDArray[np.str_],
    names: npt.NDArray[np.str_],
    classes: Sequence[str],
) -> None:
    fewest = max(
        min(
            int(((names == sample) & (labels == part)).sum())
            for part in _parts(classes)
        )
        for sample in np.unique(names)
    )
    if fewest <= DECIDING:
        raise DataError(
            f"{path}: no sample has more than {fewest} patterns of every class, "
            f"{DECIDING + 1} expected for {DECIDING} supports and a query"
        )
