"""Class prototypes, adapted by a small network that has learned from many tasks.

The mean of a few supports is a noisy prototype: that of five weak shots is far from
that of a thousand. But the embedding is the same for all samples, so the supports of
one class say much about where the other shots of that class lie, and where those of
the other classes do. `PrototypeAdapter` learns this together with the embedding, from
the few-shot tasks of its training: from the means of the supports and an encoding of
each class it makes the prototypes that distances are measured to.
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
"""The classes that an adapter has been trained with."""

MOST_SUPPORTS = 16
"""More supports of a class count as this many."""

WIDTH = 160
"""Features of the hidden layers."""


def encode_classes(classes: Sequence[str]) -> Tensor | None:
    """Return which of the known classes every class holds, (classes, 3) float32.

    Names joined by + are one class, as in ``multi-hit+non-sample-hit``. None if one of
    them is not known: with some prototypes adapted and others not, the distances could
    not be compared.
    """
    parts = [name.split("+") for name in classes]
    if not all(part in KNOWN for joined in parts for part in joined):
        return None
    return torch.tensor([[float(name in joined) for name in KNOWN] for joined in parts])


class PrototypeAdapter(nn.Module):
    """Makes the prototypes of the classes of a task from the means of their supports.

    The first fully connected layer gets each class (mean, encoding, number of
    supports), the second the features of a class and the sum of those of all others.
    The prototype is a share of the mean plus an offset, each from a last layer. So the
    order and the number of classes do not matter (deep sets, Zaheer et al. 2017).

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

    def forward(
        self, means: Tensor, class_encoding: Tensor, support_counts: Tensor
    ) -> Tensor:
        """Return the prototypes of the classes of some tasks.

        Parameters
        ----------
        means : (B, classes, D) float32
            Of the supports.
        class_encoding : (classes, 3) float32
            See `encode_classes`.
        support_counts : (B, classes) float32
            Of supports, 1 or more.

        Returns
        -------
        (B, classes, D) float32
        """
        log_counts = support_counts.clamp(max=MOST_SUPPORTS).log()[:, :, None]
        encoding = class_encoding.expand(len(means), -1, -1)
        own = self.each(torch.cat((means, encoding, log_counts), dim=2)).relu()
        others = own.sum(dim=1, keepdim=True) - own  # (B, classes, WIDTH)
        hidden = self.together(torch.cat((own, others), dim=2)).relu()
        prototypes: Tensor = self.share(hidden).sigmoid() * means + self.offset(hidden)
        return prototypes


def make_prototype_fn(
    adapter: PrototypeAdapter | None, classes: Sequence[str]
) -> PrototypeFn | None:
    """Return how a network makes the prototypes of some classes, for `distances`.

    None if it has no adapter or does not know a class: prototypes are means then.

    Parameters
    ----------
    adapter : PrototypeAdapter or None
        Used as it is now: a copy is made.
    classes : sequence of str
    """
    class_encoding = encode_classes(classes)
    if adapter is None or class_encoding is None:
        return None
    frozen = copy.deepcopy(adapter).cpu().eval()

    def prototype_fn(
        means: npt.NDArray[np.float64], support_counts: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        vectors, counts = (
            torch.from_numpy(one).float()[None] for one in (means, support_counts)
        )
        with torch.inference_mode():
            prototypes = frozen(vectors, class_encoding, counts)[0]
        found: npt.NDArray[np.float64] = prototypes.double().numpy()
        return found

    return prototype_fn
