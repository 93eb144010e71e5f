"""The patterns of a file as several models and the baselines see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specklenn.core.data.side_datasets import Texts
from specklenn.core.decision import make_head
from specklenn.core.distances import Rule
from specklenn.core.errors import DataError
from specklenn.core.evaluation.classifiers import FewShotClassifier, model_classifier
from specklenn.core.evaluation.few_shot import Indices, group_rows
from specklenn.core.evaluation.labelled_file import (
    Expose,
    LabelledFile,
    as_read,
)
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.heads.head import Features, Head
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.features import extract_features
from specklenn.core.preprocess import Preprocessing

Models = Mapping[str, Checkpoint]
"""By name; the baselines see the first one's crop, standardised."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedFile:
    """The patterns of a file, prepared in every way that is needed.

    Parameters
    ----------
    labels, names : (N,) str
        Of the patterns that every model can classify.
    inputs : dict of Preprocessing to (N, side, side) float32
    photons : (N,) float32
        In the crop of the first model.
    """

    labels: Texts
    names: Texts
    inputs: dict[Preprocessing, Features]
    photons: Features


def prepare_file(
    file: LabelledFile,
    models: Models,
    expose: Expose = as_read,
    watch: ProgressFn[Indices] = silent,
) -> PreparedFile:
    """Read a file and prepare it for every model and for the baselines.

    Raises
    ------
    ConfigError
        If a model's crop does not fit into the patterns.
    DataError
        If there is no pattern that all models can classify.
    """
    of_models = [model.preprocessing for model in models.values()]
    unlike = list(dict.fromkeys([baseline_preprocessing(models), *of_models]))
    parts = [_prepare(file, unlike, rows, expose) for rows in watch(file.batches())]
    prepared = join(parts)
    if len(prepared.labels) == 0:
        raise DataError(f"{file.path}: no pattern that all models can judge")
    return prepared


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


def baseline_preprocessing(models: Models) -> Preprocessing:
    """Return how baselines see patterns: like the first model, standardised."""
    first = next(iter(models.values())).preprocessing
    return first.model_copy(update={"standardise": True})


def model_classifiers(
    prepared: PreparedFile,
    models: Models,
    classes: Sequence[str],
    watch: ProgressFn[str] = silent,
) -> list[FewShotClassifier]:
    """Return every model by its own rule, by the paper's and by prototypes.

    Parameters
    ----------
    prepared : PreparedFile
    models : dict of name to Checkpoint
    classes : sequence of str
    watch : function
        Goes through the names and may show how far it has come.
    """
    found = []
    for name in watch(list(models)):
        model = models[name]
        features = extract_features(model.encoder, prepared.inputs[model.preprocessing])
        found.append(model_classifier(name, features, _heads(model, classes)))
    return found


def _heads(model: Checkpoint, classes: Sequence[str]) -> dict[str, Head]:
    """Return the heads of a model by what tables call them; its own is the first."""
    others: tuple[Rule, ...] = ("mean", "prototype")
    rules = {f"{model.rule} (own)": model.rule}
    rules |= {rule: rule for rule in others if rule != model.rule}
    return {
        variant: make_head(model.encoder, classes, rule, model.temperature)
        for variant, rule in rules.items()
    }


def labelled_features(
    prepared: PreparedFile, preprocessing: Preprocessing, classes: Sequence[str]
) -> tuple[Features, Indices]:
    """Return the patterns of some classes for training.

    Returns
    -------
    features : (N, side, side) float32
    classes : (N,) int64
        Number of the class of each.

    Raises
    ------
    DataError
        If a class has none.
    """
    groups = group_rows(prepared.labels, prepared.names, classes).values()
    rows = [np.concatenate(of_class) for of_class in zip(*groups, strict=True)]
    for name, found in zip(classes, rows, strict=True):
        if len(found) == 0:
            raise DataError(f"--train: no pattern of {name} that can be judged")
    features = prepared.inputs[preprocessing][np.concatenate(rows)]
    return features, np.repeat(np.arange(len(rows)), [len(found) for found in rows])


def _prepare(
    file: LabelledFile, unlike: Sequence[Preprocessing], rows: Indices, expose: Expose
) -> PreparedFile:
    patterns = expose(file.read(rows), rows)
    prepared = {each: file.prepare(each, patterns, rows) for each in unlike}
    usable = np.all([each.flags == 0 for each in prepared.values()], axis=0)
    return PreparedFile(
        labels=file.labels[rows[usable]],
        names=file.names[rows[usable]],
        inputs={key: each.inputs[usable] for key, each in prepared.items()},
        photons=np.nansum(prepared[unlike[0]].photons[usable], axis=(1, 2)),
    )
