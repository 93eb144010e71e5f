"""What a model remembers of other samples, and how that helps where labels are few.

One or two supports say little about where the shots of a class lie. A model has seen
other samples, and where theirs lay. Those that lie like the supports of a new one tell
where its classes are likely to be: an empirical prior, learned from other tasks, that
weighs as much as a few supports and so fades as there are more of them. Where several
supports contradict it, as on a detector that nothing was remembered of, it weighs less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]

MEMORY_SUPPORTS = 2.0
"""Supports of a class that what is recalled counts as, unless they contradict it."""

LEAST_SPREAD = 1e-6
"""Of the shots of a class about its mean, a squared distance."""

SHARPNESS = 8.0
"""How much nearer samples count more, per squared distance and support."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Memory:
    """Where the shots of known samples lie, class by class.

    Parameters
    ----------
    classes : tuple of str
    vectors : (samples, classes, D) float32
        Mean vector of every class of every sample.
    """

    classes: tuple[str, ...]
    vectors: Vectors

    def __len__(self) -> int:
        """Return how many samples are remembered."""
        return len(self.vectors)

    def of(self, classes: Sequence[str]) -> Vectors | None:
        """Return what is remembered of some classes, (samples, classes, D) float32.

        None if nothing is of one of them: with some classes moved and others not, the
        distances could not be compared.

        Parameters
        ----------
        classes : sequence of str
            Names joined by + are one class, as in ``multi-hit+non-sample-hit``.
        """
        parts = [name.split("+") for name in classes]
        known = all(part in self.classes for of_one in parts for part in of_one)
        if not known or len(self) == 0:
            return None
        places = [[self.classes.index(part) for part in of_one] for of_one in parts]
        means = [self.vectors[:, place].mean(axis=1) for place in places]
        return np.stack(means, axis=1)


NO_MEMORY = Memory(classes=(), vectors=np.zeros((0, 0, 0), np.float32))


def remember(
    vectors: Vectors, labels: npt.NDArray[np.str_], names: npt.NDArray[np.str_]
) -> Memory:
    """Return the memory of some samples; those that lack a class are left out.

    Parameters
    ----------
    vectors : (N, D) float32, unit length
    labels, names : (N,) str
        Class and sample of each.
    """
    classes = tuple(sorted({*labels.tolist()}))
    found = []
    for name in np.unique(names):
        ours = [(names == name) & (labels == label) for label in classes]
        if all(rows.any() for rows in ours):
            found.append([vectors[rows].mean(axis=0) for rows in ours])
    shape = (len(found), len(classes), vectors.shape[1])
    return Memory(classes=classes, vectors=np.array(found, np.float32).reshape(shape))


def joined(memories: Sequence[Memory], classes: Sequence[str]) -> Memory:
    """Return the samples of several memories that know all of these classes."""
    known = [memory.of(classes) for memory in memories]
    found = [vectors for vectors in known if vectors is not None]
    if not found:
        return NO_MEMORY
    return Memory(classes=tuple(classes), vectors=np.concatenate(found))


def with_memory(
    means: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    remembered: Vectors,
) -> npt.NDArray[np.float64]:
    """Return where classes are, given their supports and what is remembered.

    Known samples weigh by how well their classes fit the means of the supports, and
    give every class a recalled place. That place and the mean of the supports are
    weighted by their variances, as for a normal prior: the mean's is the spread of a
    class's shots over their number; that of the recalled place is the spread over
    `MEMORY_SUPPORTS`, and what the supports lie farther from it than their own
    scatter explains, of which one support can say nothing.

    Parameters
    ----------
    means : (classes, D) float64
        Of the supports.
    counts : (classes,) int64
        Supports of each class.
    remembered : (samples, classes, D) float32

    Returns
    -------
    (classes, D) float64
    """
    recalled = _recall(means, counts, remembered)
    # Unit vectors: those of a class scatter by this about their mean.
    spread = np.maximum(1 - (recalled**2).sum(axis=1), LEAST_SPREAD)
    sampling = spread / counts
    excess = np.maximum(((means - recalled) ** 2).sum(axis=1) - sampling, 0)
    doubt = spread / MEMORY_SUPPORTS + (1 - 1 / counts) * excess
    share = (doubt / (doubt + sampling))[:, None]
    placed: npt.NDArray[np.float64] = share * means + (1 - share) * recalled
    return placed


def _recall(
    means: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    remembered: Vectors,
) -> npt.NDArray[np.float64]:
    """Return the mean place of each class, (classes, D), samples that fit first."""
    squares = ((remembered - means) ** 2).sum(axis=2)
    misfit = SHARPNESS * squares @ counts
    weights = np.exp(misfit.min() - misfit)
    recalled: npt.NDArray[np.float64] = np.tensordot(
        weights / weights.sum(), remembered, axes=1
    )
    return recalled
