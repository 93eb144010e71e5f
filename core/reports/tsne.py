"""Maps of the patterns of one sample as the network sees them (Fig. 8 of the paper).

t-SNE puts patterns beside each other whose embeddings are near; distances on the map
and its axes mean nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Embeddings, class_distances
from specklenn.core.errors import ConfigError, DataError, MissingPackageError
from specklenn.core.evaluation.few_shot import Indices, group_rows, sample_stream
from specklenn.core.evaluation.labelled_file import Embedded, LabelledFile
from specklenn.core.evaluation.measurement import EvaluationSettings, FewShotScores
from specklenn.core.network.prototype_adapter import make_prototype_fn

PERPLEXITY = 30.0
MOST_PATTERNS = 500
"""Of a class on a map; drawn if there are more, the supports among them."""

SHOWN_NAMES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMap:
    """The patterns of one sample, the supports of its first draw among them.

    Parameters
    ----------
    name : str
        Of the sample.
    accuracy : float
        FewShotScores over all draws.
    classes : tuple of str
    shots : int
        Supports per class.
    points : (n, 2) float32
        Places on the map.
    true, found : (n,) int64
        Class of each pattern, and the one that the supports give it.
    supports : (n,) bool
        Which patterns are the supports.
    margins : (n,) float32
        Distance to the own class less that to the nearest other one: negative
        where the pattern is among its own.
    rows : (n,) int64
        Where the patterns are in the file.
    """

    name: str
    accuracy: float
    classes: tuple[str, ...]
    shots: int
    points: npt.NDArray[np.float32]
    true: Indices
    found: Indices
    supports: npt.NDArray[np.bool_]
    margins: npt.NDArray[np.float32]
    rows: Indices

    @property
    def examples(self) -> list[int]:
        """The clearest and the most misleading query of each class, by class."""
        found: list[int] = []
        for number in range(len(self.classes)):
            queries = np.flatnonzero((self.true == number) & ~self.supports)
            order = queries[np.argsort(self.margins[queries], kind="stable")]
            found += dict.fromkeys(order[[0, -1]].tolist())
        return found


def require_sklearn() -> Any:
    """Return scikit-learn's module with t-SNE.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return importlib.import_module("sklearn.manifold")
    except ImportError:
        raise MissingPackageError(
            "t-SNE needs scikit-learn; install it with: pip install 'specklenn[report]'"
        ) from None


def check_samples(file: LabelledFile, wanted: Sequence[str]) -> None:
    """Refuse samples that are not in a file.

    Raises
    ------
    ConfigError
        If one is not; says which are.
    """
    known = sorted(set(file.names.tolist()))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        more = ", …" if len(known) > SHOWN_NAMES else ""
        raise ConfigError(
            f"--tsne: no sample {', '.join(map(repr, unknown))} in {file.path}; its "
            f"samples are {', '.join(known[:SHOWN_NAMES])}{more}"
        )


def choose_samples(measured: FewShotScores, wanted: Sequence[str] = ()) -> list[str]:
    """Return the samples to draw: those wanted, or the worst, a middle and the best.

    Raises
    ------
    DataError
        If a wanted sample had too few patterns to be measured.
    """
    known = measured.main["per_sample"]
    for name in wanted:
        if name not in known:
            raise DataError(
                f"{name}: too few patterns for {measured.main_shots} supports per "
                "class and queries, no map can be drawn"
            )
    if wanted:
        return list(wanted)
    ordered = sorted(known, key=lambda name: known[name]["accuracy"])
    return list(dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1])))


def map_sample(
    embedded: Embedded,
    conditions: EvaluationSettings,
    measured: FewShotScores,
    name: str,
) -> SampleMap:
    """Lay out the patterns of a sample; the same seed gives the same map.

    Parameters
    ----------
    embedded : Embedded
    conditions : EvaluationSettings
    measured : FewShotScores
        Of the same patterns under the same conditions.
    name : str
    """
    groups = group_rows(embedded.labels, embedded.names, conditions.classes)
    shots, number = measured.main_shots, list(groups).index(name)
    random = sample_stream(conditions.seed, shots, number)
    # Shuffled as for the first draw: the supports come first.
    members = [random.permutation(rows)[:MOST_PATTERNS] for rows in groups[name]]
    chosen = np.concatenate(members)
    true = np.repeat(np.arange(len(members)), [len(rows) for rows in members])
    supports = np.concatenate([np.arange(len(rows)) < shots for rows in members])
    vectors = embedded.embeddings[chosen]
    distances = class_distances(
        vectors,
        vectors[supports],
        true[supports],
        len(members),
        conditions.rule,
        make_prototype_fn(conditions.adapter, conditions.classes),
    )
    return SampleMap(
        name=name,
        accuracy=measured.main["per_sample"][name]["accuracy"],
        classes=conditions.classes,
        shots=shots,
        points=lay_out(vectors, conditions.seed),
        true=true,
        found=distances.argmin(axis=1),
        supports=supports,
        margins=_margins(distances, true),
        rows=embedded.rows[chosen],
    )


def lay_out(vectors: Embeddings, seed: int) -> npt.NDArray[np.float32]:
    """Return places on a map, (n, 2) float32, near for vectors that are near.

    Parameters
    ----------
    vectors : (n, D) float32
        Four or more.
    seed : int
    """
    few = (len(vectors) - 1) / 3
    mapping = require_sklearn().TSNE(
        perplexity=min(PERPLEXITY, few), init="pca", random_state=seed
    )
    points: npt.NDArray[np.float32] = mapping.fit_transform(vectors)
    return points


def _margins(
    distances: npt.NDArray[np.float32], true: Indices
) -> npt.NDArray[np.float32]:
    every = np.arange(len(true))
    others = distances.copy()
    others[every, true] = np.inf
    margins: npt.NDArray[np.float32] = distances[every, true] - others.min(axis=1)
    return margins
