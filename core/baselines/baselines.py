"""Methods that an embedding has to beat, trained on the supports or offline.

The network of Shi et al. and the support vector machine of Bobkov et al. are trained
in two ways. On the supports: what a user with a few labels could do at the beamline.
Offline: once, on labelled shots of other samples, and used without supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from specklenn.core.baselines.bobkov2015 import angular_features, fit_machine
from specklenn.core.baselines.shi2019 import THRESHOLD, probabilities, train_shi
from specklenn.core.evaluation.classifiers import Classify, Features, Fit, Method, Row
from specklenn.core.evaluation.few_shot import Indices

THRESHOLDS = (THRESHOLD, 0.5)
"""The paper's, and the one that treats both classes alike."""

SUPPORT_STEPS = 150
OFFLINE_STEPS = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """What is trained on.

    Parameters
    ----------
    features : (N, …) float32
    classes : (N,) int64
        Number of the class of each.
    """

    features: Features
    classes: Indices


def make_baselines(
    inputs: Features, photons: Features, other: Labelled | None, seed: int
) -> list[Method]:
    """Return all baselines for two classes.

    Parameters
    ----------
    inputs : (N, side, side) float32
        Prepared patterns that are classified.
    photons : (N,) float32
        Of each pattern.
    other : Labelled or None
        Prepared patterns of other samples; without them nothing is trained offline.
    seed : int
        Of what is trained offline.
    """
    angular = angular_features(inputs)
    methods = [shi_method(inputs), machine_method("angular", angular)]
    methods.append(machine_method("pixels", inputs))
    if other is not None:
        in_rings = replace(other, features=angular_features(other.features))
        shi = train_offline(fit_shi(OFFLINE_STEPS), other, seed)
        on_rings = train_offline(fit_pca_svm, in_rings, seed)
        on_pixels = train_offline(fit_pca_svm, other, seed)
        methods.append(shi_method(inputs, shi))
        methods.append(machine_method("angular", angular, on_rings))
        methods.append(machine_method("pixels", inputs, on_pixels))
    return [photon_count_method(photons), *methods]


def shi_method(inputs: Features, offline: Fit | None = None) -> Method:
    """Return the network of Shi et al., at the paper's threshold and at one half.

    Parameters
    ----------
    inputs : (N, side, side) float32
        Prepared patterns that are classified.
    offline : Fit or None
        Trained on other samples; on the supports if None.
    """
    variants = [f"above {threshold:g}" for threshold in THRESHOLDS]
    return _method("Shi 2019", variants, inputs, fit_shi(SUPPORT_STEPS), offline)


def machine_method(kind: str, features: Features, offline: Fit | None = None) -> Method:
    """Return principal components and support vector machine.

    Parameters
    ----------
    kind : str
        What the features are.
    features : (N, …) float32
        Of the patterns that are classified.
    offline : Fit or None
        Trained on other samples; on the supports if None.
    """
    return _method("PCA + SVM", [kind], features, fit_pca_svm, offline)


def photon_count_method(photons: Features) -> Method:
    """Return the simplest method: the class whose mean log of photons is nearest.

    Parameters
    ----------
    photons : (N,) float32
    """
    row = Row(
        method="photon count",
        variant="nearest mean",
        trained_on="nothing",
        sees_supports=True,
    )
    return Method(rows=(row,), features=photons, fit=fit_photon_count)


def train_offline(fit: Fit, labelled: Labelled, seed: int) -> Fit:
    """Return a fit that trains once, when first asked, and ignores supports."""
    trained = cache(lambda: fit(labelled.features, labelled.classes, seed))
    return lambda supports, classes, seed: trained()


def fit_shi(steps: int) -> Fit:
    """Return what trains the network of Shi et al. for so many steps."""

    def fit(supports: Features, classes: Indices, seed: int) -> Classify:
        network = train_shi(supports, classes == 0, steps, seed)

        def classify(queries: Features) -> Indices:
            likely = probabilities(network, queries)
            answers = [likely <= threshold for threshold in THRESHOLDS]
            return np.array(answers).astype(np.int64)

        return classify

    return fit


def fit_pca_svm(supports: Features, classes: Indices, seed: int) -> Classify:
    """Fit principal components and support vector machine."""
    machine = fit_machine(supports, classes, seed)

    def classify(queries: Features) -> Indices:
        found: Indices = machine.predict(queries.reshape(len(queries), -1))[None]
        return found

    return classify


def fit_photon_count(supports: Features, classes: Indices, seed: int) -> Classify:
    """Take the middle of every class on the logarithmic scale of photons."""
    logs = _logs(supports)
    middles = np.array([logs[classes == own].mean() for own in np.unique(classes)])

    def classify(queries: Features) -> Indices:
        apart = np.abs(_logs(queries)[:, None] - middles)
        nearest: Indices = apart.argmin(axis=1)
        return nearest[None]

    return classify


def _logs(photons: Features) -> Features:
    """Return logarithms; read noise can leave a pattern with less than no photon."""
    return np.log(np.maximum(photons, np.float32(1)))


def _method(
    name: str,
    variants: Sequence[str],
    features: Features,
    on_supports: Fit,
    offline: Fit | None,
) -> Method:
    rows = tuple(
        Row(
            method=name,
            variant=variant,
            trained_on="supports" if offline is None else "--train",
            sees_supports=offline is None,
        )
        for variant in variants
    )
    return Method(rows=rows, features=features, fit=offline or on_supports)
