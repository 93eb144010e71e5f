"""Where the classes of a sample lie, as a small network reads it off their supports.

A few supports are a noisy picture of their class: the mean of five weak shots is far
from the mean of a thousand. But the embedding is the same for all samples, so what
the supports of one class look like says much about where its shots lie, and where
those of the other classes do. `Placer` learns that together with the embedding, from
the tasks of its training: it is given the means of the supports and what kind of shot
each class is, and answers with the places that queries are measured to.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from specklenn.core.distances import Placing
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT

KNOWN = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
"""The kinds of shot that a placer knows by name."""

MOST_SUPPORTS = 16
"""More supports of a class than this are not told from this many."""

WIDTH = 160


def kinds_of(classes: Sequence[str]) -> Tensor | None:
    """Return which known kinds of shot every class is, (classes, 3) float32.

    Names joined by + are one class, as in ``multi-hit+non-sample-hit``. None if one of
    them is not known: with some classes placed and others not, the distances could not
    be compared.
    """
    parts = [name.split("+") for name in classes]
    if not all(part in KNOWN for of_one in parts for part in of_one):
        return None
    return torch.tensor([[float(kind in of_one) for kind in KNOWN] for of_one in parts])


class Placer(nn.Module):
    """Places the classes of a task by the means of their supports.

    A fully connected layer for each class (its mean, its kinds, how many supports); a
    second one that sees that of a class and the sum of those of all others; the place
    is a share of the mean and what a last layer adds to it. So the order of the
    classes and how many there are does not matter (deep sets, Zaheer et al. 2017).

    Parameters
    ----------
    embedding_size : int
        Length D of the vectors.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.each = nn.Linear(embedding_size + len(KNOWN) + 1, WIDTH)
        self.together = nn.Linear(2 * WIDTH, WIDTH)
        self.share = nn.Linear(WIDTH, 1)
        self.place = nn.Linear(WIDTH, embedding_size)

    def forward(self, means: Tensor, kinds: Tensor, numbers: Tensor) -> Tensor:
        """Place classes.

        Parameters
        ----------
        means : (B, classes, D) float32
            Of the supports.
        kinds : (classes, 3) float32
            See `kinds_of`.
        numbers : (B, classes) float32
            Of supports, 1 or more.

        Returns
        -------
        (B, classes, D) float32
        """
        amounts = numbers.clamp(max=MOST_SUPPORTS).log()[:, :, None]
        told = torch.cat((means, kinds.expand(len(means), -1, -1), amounts), dim=2)
        ours = self.each(told).relu()
        others = ours.sum(dim=1, keepdim=True) - ours
        seen = self.together(torch.cat((ours, others), dim=2)).relu()
        placed: Tensor = self.share(seen).sigmoid() * means + self.place(seen)
        return placed


def placing_of(placer: Placer | None, classes: Sequence[str]) -> Placing | None:
    """Return how a network places some classes, as distances want it.

    None if it has no placer or does not know a class: prototypes do then.

    Parameters
    ----------
    placer : Placer or None
        In use as it is now: a copy is made.
    classes : sequence of str
    """
    kinds = kinds_of(classes)
    if placer is None or kinds is None:
        return None
    ours = copy.deepcopy(placer).cpu().eval()

    def place(
        means: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        vectors, amounts = (
            torch.from_numpy(one).float()[None] for one in (means, numbers)
        )
        with torch.inference_mode():
            places = ours(vectors, kinds, amounts)[0]
        found: npt.NDArray[np.float64] = places.double().numpy()
        return found

    return place
