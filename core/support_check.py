"""Supports judge each other: what is wrong with a support set is said before a run.

Every support is classified by the others, as shots will be. Supports that are often
misjudged will misjudge shots no less, and one that all others contradict has perhaps
the wrong label.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import numpy.typing as npt

from specklenn.core.heads.head import Codes, Head, Task
from specklenn.core.support import SupportSet

PARTS = 8
"""The supports are classified in at most so many parts, each by the others."""

FEWEST = 3
"""Supports a class below which nothing is said about who misjudges whom: two supports
are each judged by one."""

LEAST_RIGHT = 0.7
"""Share of supports that the others judge rightly, below which a person is told."""

CONTRADICTED = 0.02
"""Score of a support's own label, given by the others, below which it is named."""

MOST_NAMED = 3

Scores = npt.NDArray[np.float32]


def check_supports(supports: SupportSet, head: Head, task: Task) -> tuple[str, ...]:
    """Return what a person should know of a support set, a sentence each.

    Parameters
    ----------
    supports : SupportSet
    head : Head
        That will classify by them.
    task : Task
        With the features of the supports, in their order.
    """
    if len(task.supports) > 1 and _all_alike(task):
        return ("supports: all look the same, so that no class can be told by them",)
    repeated = tuple(_repeated(supports))
    if task.counts.min() < FEWEST:
        return repeated
    scores = judge_supports(head, task)
    return (*repeated, *_misjudged(supports, task, scores))


def judge_supports(head: Head, task: Task) -> Scores:
    """Return the scores (S, classes) that the other supports give to each.

    At most `PARTS` parts of every class are left out in turn. The only support of a
    class is never left out: its scores are NaN.
    """
    parts = _parts(task.classes)
    scores = np.full((len(parts), task.n_classes), np.nan, np.float32)
    for part in range(parts.max() + 1):
        left = parts == part
        others = Task(
            supports=task.supports[~left],
            classes=task.classes[~left],
            n_classes=task.n_classes,
            unlabelled=task.unlabelled,
        )
        scores[left] = head.fit(others)(task.supports[left]).scores
    return scores


def _parts(classes: Codes) -> Codes:
    """Spread the supports of every class over the parts; -1 for an only one."""
    parts = np.full(len(classes), -1)
    for code in np.unique(classes):
        rows = np.flatnonzero(classes == code)
        if len(rows) > 1:
            parts[rows] = np.arange(len(rows)) % PARTS
    return parts


def _all_alike(task: Task) -> bool:
    return bool(np.allclose(task.supports, task.supports[0], rtol=1e-5, atol=1e-6))


def _repeated(supports: SupportSet) -> Iterator[str]:
    """Name frames that stand more than once."""
    keys = [frame.tobytes() for frame in supports.frames]
    order = sorted(range(len(keys)), key=lambda row: keys[row])
    for _, rows in groupby(order, key=lambda row: keys[row]):
        same = sorted(rows)
        if len(same) == 1:
            continue
        origins = " and ".join(dict.fromkeys(supports.origins[row] for row in same))
        labels = list(dict.fromkeys(supports.labels[same].tolist()))
        if len(labels) > 1:
            yield (
                f"supports: {origins} has contradicting labels: {' and '.join(labels)}"
            )
        else:
            yield (
                f"supports: {origins}, labelled {labels[0]}, is one frame that is "
                f"given {len(same)} times"
            )


def _misjudged(supports: SupportSet, task: Task, scores: Scores) -> Iterator[str]:
    """Say how often supports are misjudged, and name those with doubtful labels."""
    found, own = scores.argmax(axis=1), task.classes
    right = int((found == own).sum())
    if right < LEAST_RIGHT * len(own):
        yield (
            f"supports: they misjudge each other, {right} of {len(own)} get their own "
            f"label from the others ({_most_often(supports, own, found)}), and shots "
            "will fare no better: more supports, or clearer classes?"
        )
    of_own = scores[np.arange(len(own)), own]
    doubtful = np.flatnonzero(of_own < CONTRADICTED)
    for row in doubtful[np.argsort(of_own[doubtful], kind="stable")][:MOST_NAMED]:
        yield (
            f"supports: {supports.origins[row]}, labelled {supports.labels[row]}, is "
            f"{supports.classes[found[row]]} to the others with score "
            f"{scores[row].max():.2f}: is its label right?"
        )


def _most_often(supports: SupportSet, own: Codes, found: Codes) -> str:
    """Return which class is taken most often for which other."""
    confusion = np.zeros((len(supports.classes),) * 2, int)
    np.add.at(confusion, (own, found), 1)
    np.fill_diagonal(confusion, 0)
    true, taken = np.unravel_index(confusion.argmax(), confusion.shape)
    return f"{supports.classes[true]} most often {supports.classes[taken]}"
