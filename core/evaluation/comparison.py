"""Several models and baselines on the same patterns, supports and queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from specklenn.core.baselines.baselines import Labelled, make_baselines
from specklenn.core.data.labelled_dataset import NAME, Texts
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.classifiers import (
    Features,
    Method,
    Row,
    embedding_method,
    score_sample,
)
from specklenn.core.evaluation.draws import Draw, draw_samples
from specklenn.core.evaluation.few_shot import Score, group_rows, summarise
from specklenn.core.evaluation.labelled_file import (
    Expose,
    LabelledFile,
    Watch,
    as_read,
)
from specklenn.core.evaluation.measurement import EvaluationSettings, Scores
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.embed import embed
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.preprocess import Preprocessing

Models = Mapping[str, Checkpoint]
"""By name; the baselines see the first one's crop, standardised."""

SHOWN = 3
"""Names in a message."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedFile:
    """The patterns of a file as methods see them.

    Parameters
    ----------
    labels, names : (N,) str
        Of the patterns that every model can judge.
    inputs : dict of Preprocessing to (N, side, side) float32
    photons : (N,) float32
        In the crop of the first model.
    """

    labels: Texts
    names: Texts
    inputs: dict[Preprocessing, Features]
    photons: Features


class Task(NamedTuple):
    """One method on the draws of one sample."""

    method: Method
    shots: str
    sample: str
    draws: list[Draw]


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What came out.

    Parameters
    ----------
    scores : dict of Row to dict
        Per number of shots, as text, what
        `specklenn.core.evaluation.few_shot.evaluate` says of it.
    left_out : tuple of str
        Why some numbers of shots are not there, a sentence each.
    patterns : int
        How many could be judged.
    """

    scores: dict[Row, Scores]
    left_out: tuple[str, ...]
    patterns: int


def see_file(
    file: LabelledFile,
    models: Models,
    expose: Expose = as_read,
    watch: Watch = lambda batches: batches,
) -> PreparedFile:
    """Read a file and prepare it for every model.

    Raises
    ------
    ConfigError
        If a model's crop does not fit into the patterns.
    DataError
        If no pattern can be judged by all models.
    """
    wanted = (_of_baselines(models), *(each.preprocessing for each in models.values()))
    unlike = list(dict.fromkeys(wanted))
    seen = join([_see(file, unlike, rows, expose) for rows in watch(file.batches())])
    if len(seen.labels) == 0:
        raise DataError(f"{file.path}: no pattern that all models can judge")
    return seen


def join(parts: Sequence[PreparedFile]) -> PreparedFile:
    """Return the patterns of several files or batches together."""
    return PreparedFile(
        labels=np.concatenate([part.labels for part in parts]),
        names=np.concatenate([part.names for part in parts]),
        inputs={
            each: np.concatenate([part.inputs[each] for part in parts])
            for each in parts[0].inputs
        },
        photons=np.concatenate([part.photons for part in parts]),
    )


def make_methods(
    seen: PreparedFile,
    models: Models,
    other: PreparedFile | None,
    conditions: EvaluationSettings,
    watch: Callable[[Sequence[str]], Iterable[str]] = lambda names: names,
) -> list[Method]:
    """Return the models, each under several rules, and the baselines.

    Parameters
    ----------
    seen : PreparedFile
        What is classified.
    models : dict of name to Checkpoint
    other : PreparedFile or None
        Other samples, for baselines that are trained offline.
    conditions : EvaluationSettings
    watch : function
        Goes through the models; for a progress bar.
    """
    methods = []
    for name in watch(list(models)):
        model = models[name]
        embeddings = embed(model.encoder, seen.inputs[model.preprocessing])
        prototype_fn = make_prototype_fn(
            model.encoder.prototype_adapter, conditions.classes
        )
        methods.append(embedding_method(name, embeddings, model.rule, prototype_fn))
    first = _of_baselines(models)
    labelled = None
    if other is not None:
        labelled = labelled_patterns(other, first, conditions.classes)
    return methods + make_baselines(
        seen.inputs[first], seen.photons, labelled, conditions.seed
    )


def labelled_patterns(
    seen: PreparedFile, preprocessing: Preprocessing, classes: Sequence[str]
) -> Labelled:
    """Return the patterns of some classes for training.

    Raises
    ------
    DataError
        If a class has none.
    """
    groups = group_rows(seen.labels, seen.names, classes).values()
    rows = [np.concatenate(of_class) for of_class in zip(*groups, strict=True)]
    for name, found in zip(classes, rows, strict=True):
        if len(found) == 0:
            raise DataError(f"--train: no pattern of {name} that can be judged")
    return Labelled(
        features=seen.inputs[preprocessing][np.concatenate(rows)],
        classes=np.repeat(np.arange(len(rows)), [len(found) for found in rows]),
    )


def compare(
    seen: PreparedFile,
    methods: Sequence[Method],
    conditions: EvaluationSettings,
    watch: Callable[[Sequence[Task]], Iterable[Task]] = lambda tasks: tasks,
) -> Comparison:
    """Measure every method with the same supports and queries.

    Parameters
    ----------
    seen : PreparedFile
    methods : sequence of Method
        Of the patterns in ``seen``.
    conditions : EvaluationSettings
        Its rule is not used.
    watch : function
        Goes through the tasks and may show how far it has come.

    Raises
    ------
    DataError
        If the data allow no number of shots.
    """
    draws, left_out = _draw_all(seen, conditions)
    found: dict[Row, dict[str, dict[str, Score]]] = {
        row: {str(shots): {} for shots in draws}
        for method in methods
        for row in method.rows
    }
    tasks = [
        Task(method, str(shots), name, of_sample)
        for method in methods
        for shots, samples in draws.items()
        for name, of_sample in samples.items()
    ]
    for task in watch(tasks):
        scores = score_sample(task.method, task.draws)
        for row, score in zip(task.method.rows, scores, strict=True):
            found[row][task.shots][task.sample] = score
    return Comparison(
        scores={
            row: {
                shots: summarise(scores, conditions.classes)
                for shots, scores in by_shots.items()
            }
            for row, by_shots in found.items()
        },
        left_out=left_out,
        patterns=len(seen.labels),
    )


def check_leakage(data: LabelledFile, training: Sequence[LabelledFile]) -> None:
    """Refuse training data with samples that are tested on.

    Raises
    ------
    ConfigError
        If a file has no sample names, or a name is in both.
    """
    for file in (data, *training) if training else ():
        if not file.named:
            raise ConfigError(
                f"--train: {file.path} has no sample names at {NAME}; without "
                "them nobody can tell whether it is trained on what is tested"
            )
    for file in training:
        both = sorted(set(file.names.tolist()) & set(data.names.tolist()))
        if both:
            more = f" and {len(both) - SHOWN} more" if len(both) > SHOWN else ""
            raise ConfigError(
                f"--train: {file.path} has {', '.join(both[:SHOWN])}{more} of "
                f"{data.path} too; samples that are tested must not be trained on"
            )


def _draw_all(
    seen: PreparedFile, conditions: EvaluationSettings
) -> tuple[dict[int, dict[str, list[Draw]]], tuple[str, ...]]:
    """Return the draws for every number of shots, and why some are missing."""
    groups = group_rows(seen.labels, seen.names, conditions.classes)
    found, left_out = {}, []
    for shots in conditions.shots:
        try:
            found[shots] = draw_samples(
                groups, shots, conditions.draws, conditions.seed
            )
        except DataError as error:
            left_out.append(str(error))
    if not found:
        raise DataError("; ".join(left_out))
    return found, tuple(left_out)


def _see(
    file: LabelledFile,
    unlike: Sequence[Preprocessing],
    rows: npt.NDArray[np.int64],
    expose: Expose,
) -> PreparedFile:
    patterns = expose(file.read(rows), rows)
    prepared = {each: file.prepare(each, patterns) for each in unlike}
    judged = np.all([each.flags == 0 for each in prepared.values()], axis=0)
    return PreparedFile(
        labels=file.labels[rows[judged]],
        names=file.names[rows[judged]],
        inputs={key: each.inputs[judged] for key, each in prepared.items()},
        photons=np.nansum(prepared[unlike[0]].photons[judged], axis=(1, 2)),
    )


def _of_baselines(models: Models) -> Preprocessing:
    """Return how baselines see patterns: like the first model, standardised."""
    first = next(iter(models.values())).preprocessing
    return first.model_copy(update={"standardise": True})
