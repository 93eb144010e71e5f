"""Methods that an embedding has to beat, trained on the supports or offline.

The network of Shi et al. and the support vector machine of Bobkov et al. are trained
in two ways. On the supports: what a user with a few labels could do at the beamline.
Offline: once, on labelled shots of other samples, and used without supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from specklenn.core.baselines.bobkov2015 import angular_features, fit_machine
from specklenn.core.baselines.shi2019 import THRESHOLD, probabilities, train_shi
from specklenn.core.evaluation.classifiers import (
    FeatureScoreFn,
    FewShotClassifier,
    FitFeatures,
    MethodVariant,
    TrainedOn,
    scores_of_distances,
    scores_of_labels,
)
from specklenn.core.evaluation.few_shot import EvaluationSettings, Indices
from specklenn.core.evaluation.prepared_file import (
    PreparedFile,
    join,
    labelled_features,
)
from specklenn.core.heads.head import ClassScores, Features
from specklenn.core.preprocess import Preprocessing

THRESHOLDS = (THRESHOLD, 0.5)
"""The paper's, and the one that treats both classes alike."""

SUPPORT_STEPS = 150
OFFLINE_STEPS = 2000


def make_baselines(
    prepared: PreparedFile,
    training: Sequence[PreparedFile],
    preprocessing: Preprocessing,
    settings: EvaluationSettings,
) -> list[FewShotClassifier]:
    """Return all baselines for two classes.

    Parameters
    ----------
    prepared : PreparedFile
        What is classified.
    training : sequence of PreparedFile
        Other samples; without them nothing is trained offline.
    preprocessing : Preprocessing
        How the baselines see patterns.
    settings : EvaluationSettings

    Raises
    ------
    DataError
        If no pattern of a class is there for training.
    """
    inputs = prepared.inputs[preprocessing]
    angular = angular_features(inputs)
    above = [f"above {threshold:g}" for threshold in THRESHOLDS]
    photons, shi, svm = "photon count", "Shi 2019", "PCA + SVM"
    middle, on_supports = ["nearest mean"], fit_shi(SUPPORT_STEPS)
    methods = [
        _method(photons, middle, prepared.photons, fit_photon_count, "nothing"),
        _method(shi, above, inputs, on_supports, "supports"),
        _method(svm, ["angular"], angular, fit_pca_svm, "supports"),
        _method(svm, ["pixels"], inputs, fit_pca_svm, "supports"),
    ]
    if training:
        other, classes = labelled_features(
            join(training), preprocessing, settings.classes
        )
        rings, seed = angular_features(other), settings.seed
        offline = train_offline(fit_shi(OFFLINE_STEPS), other, classes, seed)
        on_rings = train_offline(fit_pca_svm, rings, classes, seed)
        on_pixels = train_offline(fit_pca_svm, other, classes, seed)
        methods += [
            _method(shi, above, inputs, offline, "--train"),
            _method(svm, ["angular"], angular, on_rings, "--train"),
            _method(svm, ["pixels"], inputs, on_pixels, "--train"),
        ]
    return methods


def train_offline(
    fit: FitFeatures, features: Features, classes: Indices, seed: int
) -> FitFeatures:
    """Return a fit that trains once, when first asked, and ignores supports."""
    trained = cache(lambda: fit(features, classes, seed))
    return lambda *supports: trained()


def fit_shi(steps: int) -> FitFeatures:
    """Return what trains the network of Shi et al. for so many steps."""

    def fit(supports: Features, classes: Indices, seed: int) -> FeatureScoreFn:
        network = train_shi(supports, classes == 0, steps, seed)

        def measure(queries: Features) -> list[ClassScores]:
            likely = probabilities(network, queries)
            found = [(likely <= threshold).astype(int) for threshold in THRESHOLDS]
            return [scores_of_labels(labels, 2) for labels in found]

        return measure

    return fit


def fit_pca_svm(supports: Features, classes: Indices, seed: int) -> FeatureScoreFn:
    """Fit principal components and support vector machine."""
    machine = fit_machine(supports, classes, seed)

    def measure(queries: Features) -> list[ClassScores]:
        found: Indices = machine.predict(queries.reshape(len(queries), -1))
        return [scores_of_labels(found, int(classes.max()) + 1)]

    return measure


def fit_photon_count(supports: Features, classes: Indices, seed: int) -> FeatureScoreFn:
    """Take the middle of every class on the logarithmic scale of photons."""
    logs = _logs(supports)
    middles = np.array([logs[classes == own].mean() for own in np.unique(classes)])

    def measure(queries: Features) -> list[ClassScores]:
        return [scores_of_distances(np.abs(_logs(queries)[:, None] - middles))]

    return measure


def _logs(photons: Features) -> Features:
    """Return logarithms; read noise can leave a pattern with less than no photon."""
    return np.log(np.maximum(photons, np.float32(1)))


def _method(
    name: str,
    variants: Sequence[str],
    features: Features,
    fit: FitFeatures,
    trained_on: TrainedOn,
) -> FewShotClassifier:
    of_table = tuple(
        MethodVariant(
            method=name,
            variant=variant,
            trained_on=trained_on,
            sees_supports=trained_on != "--train",
        )
        for variant in variants
    )
    return FewShotClassifier(variants=of_table, features=features, fit_features=fit)
