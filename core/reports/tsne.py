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

from specklenn.core.distances import Embeddings
from specklenn.core.errors import DataError, MissingPackageError
from specklenn.core.evaluation.classifiers import FewShotClassifier
from specklenn.core.evaluation.evaluate import FewShotScores
from specklenn.core.evaluation.few_shot import Draw, Indices
from specklenn.core.evaluation.labelled_file import Embedded

PERPLEXITY = 30.0
MOST_PATTERNS = 500
"""Of a class on a map; drawn if there are more, the supports among them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleMap:
    """The patterns of one sample, the supports of its first draw among them.

    Parameters
    ----------
    name : str
        Of the sample.
    accuracy : float
        Over all draws.
    classes : tuple of str
    n_shot : int
        Supports per class.
    points : (n, 2) float32
        Places on the map.
    true, found : (n,) int64
        Class of each pattern, and the one that the supports give it.
    supports : (n,) bool
        Which patterns are the supports.
    margins : (n,) float32
        Score of the likeliest other class less that of the own one: negative where
        the pattern is classified rightly.
    rows : (n,) int64
        Where the patterns are in the file.
    """

    name: str
    accuracy: float
    classes: tuple[str, ...]
    n_shot: int
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


def choose_samples(scores: FewShotScores, wanted: Sequence[str] = ()) -> list[str]:
    """Return the samples to draw: those wanted, or the worst, a middle and the best.

    Raises
    ------
    DataError
        If a wanted sample had too few patterns to be evaluated.
    """
    known = scores.main.per_sample
    for name in wanted:
        if name not in known:
            raise DataError(
                f"{name}: too few patterns for {scores.main_n_shot} supports per "
                "class and queries, no map can be drawn"
            )
    if wanted:
        return list(wanted)
    ordered = sorted(known, key=lambda name: known[name].accuracy)
    return list(dict.fromkeys((ordered[0], ordered[len(ordered) // 2], ordered[-1])))


def map_sample(
    embedded: Embedded,
    classifier: FewShotClassifier,
    scores: FewShotScores,
    name: str,
    seed: int,
) -> SampleMap:
    """Lay out the patterns of a sample; the same seed gives the same map.

    Parameters
    ----------
    embedded : Embedded
    classifier : FewShotClassifier
        Of the embedded patterns; its first variant counts.
    scores : FewShotScores
        Of the same classifier.
    name : str
    seed : int
        Of the layout.
    """
    n_shot = scores.main_n_shot
    draw = scores.draws.by_n_shot[n_shot][name][0]
    members = _members(draw)
    chosen = np.concatenate(members)
    true = np.repeat(np.arange(len(members)), [len(rows) for rows in members])
    measure = classifier.fit(draw)
    answers = measure(chosen)[0].scores
    return SampleMap(
        name=name,
        accuracy=scores.main.per_sample[name].accuracy,
        classes=scores.draws.classes,
        n_shot=n_shot,
        points=lay_out(embedded.embeddings[chosen], seed),
        true=true,
        found=answers.argmax(axis=1),
        supports=np.concatenate([np.arange(len(rows)) < n_shot for rows in members]),
        margins=_margins(answers, true),
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


def _members(draw: Draw) -> list[Indices]:
    """Return the rows of each class that are shown, its supports first."""
    parts = zip(
        draw.supports_by_class,
        draw.queries_by_class,
        draw.unused_by_class,
        strict=True,
    )
    return [np.concatenate(of_class)[:MOST_PATTERNS] for of_class in parts]


def _margins(scores: npt.NDArray[np.float32], true: Indices) -> npt.NDArray[np.float32]:
    every = np.arange(len(true))
    others = scores.copy()
    others[every, true] = -np.inf
    margins: npt.NDArray[np.float32] = others.max(axis=1) - scores[every, true]
    return margins
