"""The decision: from the features of patterns to their classes.

A `DecisionRule` has a head that is fitted to the supports and decides about any number
of patterns. Only here do scores become labels and rejections; a classifier has one
rule, and a model update makes a new classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Distances, Rule
from specklenn.core.flags import Flag
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.ensemble_head import EnsembleHead
from specklenn.core.heads.head import Features, FittedHead, Head
from specklenn.core.network.features import feature_layout
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.network.registry import Network
from specklenn.core.rejection import Limits, Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What is decided about some patterns.

    Parameters
    ----------
    distances : (B, classes) float32
        To each class of the supports, in the head's units.
    scores : (B, classes) float32, 0 to 1
        Probabilities of the classes, which sum to one.
    far, unsure : (B,) bool
        Which patterns are unknown because they are far from every class, and because
        no class is probable.
    """

    distances: Distances
    scores: npt.NDArray[np.float32]
    far: Mask
    unsure: Mask

    @property
    def rejected(self) -> Mask:
        """Which patterns are unknown, (B,) bool."""
        unknown: Mask = self.far | self.unsure
        return unknown

    @property
    def flags(self) -> npt.NDArray[np.uint16]:
        """Flags of each pattern, (B,) uint16: rejected, and why."""
        flags = np.zeros(len(self.scores), np.uint16)
        for flag, found in (
            (Flag.REJECTED, self.rejected),
            (Flag.FAR, self.far),
            (Flag.UNSURE, self.unsure),
        ):
            flags[found] |= flag.bits
        return flags

    @property
    def codes(self) -> npt.NDArray[np.int64]:
        """Number of the class of each pattern, (B,) int64.

        The number of classes, one more than the last, where it is unknown.
        """
        codes: npt.NDArray[np.int64] = self.scores.argmax(axis=1)
        codes[self.rejected] = self.scores.shape[1]
        return codes


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionRule:
    """The class of the highest score wins, unless the pattern is unknown.

    Parameters
    ----------
    head : FittedHead
    limits : Limits
        Beyond which patterns are unknown.
    """

    head: FittedHead
    limits: Limits

    def decide(self, features: Features) -> Decision:
        """Decide about patterns by their features, (B, F) float32."""
        distances, scores = self.head(features)
        return Decision(
            distances=distances,
            scores=scores,
            far=self.limits.far(distances),
            unsure=self.limits.unsure(scores),
        )


def make_head(
    encoder: Network, classes: Sequence[str], rule: Rule, temperature: float
) -> Head:
    """Return the head of a rule for the features of a network.

    Parameters
    ----------
    encoder : network
    classes : sequence of str
        Names of the classes; the network's adapter may know them.
    rule, temperature
        See `specklenn.core.distances.Classification`.
    """
    layout = feature_layout(encoder)
    prototype_fn = make_prototype_fn(encoder.prototype_adapter, classes)
    if rule == "ensemble":
        return EnsembleHead(
            layout=layout, temperature=temperature, prototype_fn=prototype_fn
        )
    return DistanceHead(
        rule=rule, layout=layout, temperature=temperature, prototype_fn=prototype_fn
    )
