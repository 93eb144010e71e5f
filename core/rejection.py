"""Which patterns are unknown: far from every class, or of no class that is probable.

The two say different things. A pattern that is far is unlike every support: another
particle, ice, a droplet. One whose best score is low lies between classes: the supports
do not tell which it is. Experts leave both without a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.distances import Classification, Limit, Rule

ENSEMBLE_DISTANCE = 1.6
"""Limit of the rule "ensemble", in multiples of the usual distance of a support to its
own class."""

ENSEMBLE_SCORE = 0.55
"""Limit of the rule "ensemble". With both limits about one shot in fifty is unknown
of the very classes that there are supports for, on simulated particles that no model
was trained on; see docs/experiments.md."""

Floats = npt.NDArray[np.floating]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond which a pattern is unknown.

    Parameters
    ----------
    above_distance : float or None
        From the nearest class; None for no limit.
    below_score : float or None
        Of the best class; None for no limit.
    """

    above_distance: float | None = None
    below_score: float | None = None

    @classmethod
    def of(cls, settings: Classification, rule: Rule) -> Limits:
        """Return the limits of settings, where they are left open those of the rule.

        Only the ensemble has limits of its own: the distances of the other rules are
        in units that differ from model to model.
        """
        own = rule == "ensemble"
        distance, score = settings.reject_above_distance, settings.reject_below_score
        return cls(
            above_distance=_chosen(distance, ENSEMBLE_DISTANCE if own else None),
            below_score=_chosen(score, ENSEMBLE_SCORE if own else None),
        )

    def far(self, distances: Floats) -> Mask:
        """Return which patterns (B,) are too far, by distances (B, classes)."""
        return _beyond(distances.min(axis=1), self.above_distance)

    def unsure(self, scores: Floats) -> Mask:
        """Return for which patterns (B,) no class of the scores is probable."""
        limit = self.below_score
        return _beyond(-scores.max(axis=1), None if limit is None else -limit)

    def unknown(self, distances: Floats, scores: Floats) -> Mask:
        """Return which patterns (B,) are unknown for either reason."""
        unknown: Mask = self.far(distances) | self.unsure(scores)
        return unknown


def _chosen(limit: Limit, own: float | None) -> float | None:
    """Return a limit that was set, else the rule's; None where it is switched off."""
    if limit is None:
        return own
    return None if limit is False else limit


def _beyond(values: Floats, limit: float | None) -> Mask:
    if limit is None:
        return np.zeros(len(values), bool)
    beyond: Mask = values > limit
    return beyond
