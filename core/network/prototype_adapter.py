"""Class prototypes, adapted by a small network that has learned from many tasks.

A few supports are a noisy picture of their class: the mean of five weak shots is far
from the mean of a thousand. But the embedding is the same for all samples, so what
the supports of one class look like says much about where its shots lie, and where
those of the other classes do. `PrototypeAdapter` learns that together with the
embedding, from the tasks of its training: it is given the means of the supports and
an encoding of each class, and answers with the prototypes that queries are measured to.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from specklenn.core.distances import PrototypeFn
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT

KNOWN = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
"""The classes that an adapter knows by name."""

MOST_SUPPORTS = 16
"""More supports of a class than this are not told from this many."""

WIDTH = 160


def encode_classes(classes: Sequence[str]) -> Tensor | None:
    """Return which of the known classes every class holds, (classes, 3) float32.

    Names joined by + are one class, as in ``multi-hit+non-sample-hit``. None if one of
    them is not known: with some prototypes adapted and others not, the distances could
    not be compared.
    """
    parts = [name.split("+") for name in classes]
    if not all(part in KNOWN for of_one in parts for part in of_one):
        return None
    return torch.tensor([[float(name in of_one) for name in KNOWN] for of_one in parts])


class PrototypeAdapter(nn.Module):
    """Makes the prototypes of the classes of a task of the means of their supports.

    A fully connected layer for each class (its mean, its encoding, how many supports);
    a second one that sees that of a class and the sum of those of all others; the
    prototype is a share of the mean and an offset from a last layer. So the order of
    the classes and how many there are does not matter (deep sets, Zaheer et al. 2017).

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
        self.offset = nn.Linear(WIDTH, embedding_size)

    def forward(self, means: Tensor, class_encoding: Tensor, numbers: Tensor) -> Tensor:
        """Place classes.

        Parameters
        ----------
        means : (B, classes, D) float32
            Of the supports.
        class_encoding : (classes, 3) float32
            See `encode_classes`.
        numbers : (B, classes) float32
            Of supports, 1 or more.

        Returns
        -------
        (B, classes, D) float32
        """
        amounts = numbers.clamp(max=MOST_SUPPORTS).log()[:, :, None]
        told = torch.cat(
            (means, class_encoding.expand(len(means), -1, -1), amounts), dim=2
        )
        ours = self.each(told).relu()
        others = ours.sum(dim=1, keepdim=True) - ours
        seen = self.together(torch.cat((ours, others), dim=2)).relu()
        placed: Tensor = self.share(seen).sigmoid() * means + self.offset(seen)
        return placed


def make_prototype_fn(
    adapter: PrototypeAdapter | None, classes: Sequence[str]
) -> PrototypeFn | None:
    """Return how a network makes the prototypes of some classes, for `distances`.

    None if it has no adapter or does not know a class: means of supports do then.

    Parameters
    ----------
    adapter : PrototypeAdapter or None
        In use as it is now: a copy is made.
    classes : sequence of str
    """
    class_encoding = encode_classes(classes)
    if adapter is None or class_encoding is None:
        return None
    ours = copy.deepcopy(adapter).cpu().eval()

    def prototype_fn(
        means: npt.NDArray[np.float64], numbers: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        vectors, amounts = (
            torch.from_numpy(one).float()[None] for one in (means, numbers)
        )
        with torch.inference_mode():
            prototypes = ours(vectors, class_encoding, amounts)[0]
        found: npt.NDArray[np.float64] = prototypes.double().numpy()
        return found

    return prototype_fn
