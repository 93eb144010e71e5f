"""A bounded sample of the hits of a run: the same in whatever order they come.

A run that is followed (`classify.follow_run`) fits its head to the supports and to
such a sample. Every shot has a random number that depends on its index alone, and the
hits with the smallest ones are kept. So what each worker keeps of its own shots
contains what of them is in the sample of all, and the rows of a run tell which shots a
fit was made of.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specklenn.core.rows import Rows

MOST_HITS = 128

Indices = npt.NDArray[np.int64]
Pictures = npt.NDArray[np.float32]


class HitSample:
    """The hits that are kept, as the network sees them.

    Parameters
    ----------
    most : int
        How many are kept.

    Attributes
    ----------
    index : (U,) int64
        Of the shots that are kept, in their order.
    hits : (U, side, side) float32
        See `specklenn.core.preprocess.Preprocessor.normalise`.
    """

    def __init__(self, most: int = MOST_HITS) -> None:
        self._most = most
        self.index: Indices = np.zeros(0, np.int64)
        self.hits: Pictures = np.zeros((0, 0, 0), np.float32)

    def choose(self, index: Indices) -> npt.NDArray[np.bool_]:
        """Return which of these hits (B,) are no part of the sample and would be."""
        everything = np.union1d(self.index, index)
        kept = everything[chosen(everything, self._most)]
        return np.isin(index, kept) & ~np.isin(index, self.index)

    def add(self, index: Indices, hits: Pictures) -> None:
        """Add hits (B,) as the network sees them, (B, side, side) float32."""
        if len(index) == 0:
            return
        known = [self.hits] if len(self.index) else []
        everything, first = np.unique([*self.index, *index], return_index=True)
        kept = chosen(everything, self._most)
        self.index = everything[kept]
        self.hits = np.concatenate([*known, hits])[first[kept]]


def chosen(index: Indices, most: int = MOST_HITS) -> npt.NDArray[np.intp]:
    """Return the positions of the shots that a sample keeps of these, by their index.

    Parameters
    ----------
    index : (N,) int64
        Each once.
    most : int
    """
    smallest = np.argsort(_random_numbers(index), kind="stable")[:most]
    return smallest[np.argsort(index[smallest])]


def sampled_shots(rows: Rows, model_version: int) -> Indices:
    """Return the shots of the sample that was there after some rows of a run.

    Parameters
    ----------
    rows : (N,) records
        The first ones of ``results.h5``, in their order there.
    model_version : int
        Of the model whose hits are sampled.
    """
    hits = np.isfinite(rows["score"]) & (rows["model_version"] == model_version)
    index: Indices = rows["index"][hits]
    return index[chosen(index)]


def _random_numbers(index: Indices) -> npt.NDArray[np.uint64]:
    """Return a number of 64 random bits for each shot (SplitMix64, Steele 2014)."""
    bits = index.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
