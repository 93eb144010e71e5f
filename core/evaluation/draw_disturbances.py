"""What is wrong with supports that people choose in a hurry.

Every function takes the draws of all samples at one number of supports and returns
others of the same patterns; it leaves samples out that do not have enough of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from specklenn.core.evaluation.few_shot import Draw, Indices

DrawsBySample = Mapping[str, Sequence[Draw]]

DrawDisturbance = Callable[[DrawsBySample], DrawsBySample]

ONE_IN = 5
"""One label in so many is wrong; the rare class has one support in so many."""


def mix_samples(draws: DrawsBySample) -> DrawsBySample:
    """Take half of the supports of every class from the next sample, and ask for both.

    It needs two samples and two supports per class.
    """
    names = list(draws)
    followers = names[1:] + names[:1]
    return {
        f"{name} + {other}": [
            _mixed(one, two) for one, two in zip(draws[name], draws[other], strict=True)
        ]
        for name, other in zip(names, followers, strict=True)
        if name != other and _n_shot(draws) > 1
    }


def mislabel(draws: DrawsBySample) -> DrawsBySample:
    """Give one support in five of every class to the next class.

    It needs five supports per class.
    """
    wrong = _n_shot(draws) // ONE_IN
    if not wrong:
        return {}
    return _each(draws, lambda draw: _mislabelled(draw, wrong))


def thin_out(draws: DrawsBySample) -> DrawsBySample:
    """Leave the first class one support in five, at least one, and the others all.

    It needs two supports per class.
    """
    n_shot = _n_shot(draws)
    if n_shot < 2:
        return {}
    return _each(draws, lambda draw: _thinned_out(draw, max(1, n_shot // ONE_IN)))


def _each(draws: DrawsBySample, change: Callable[[Draw], Draw]) -> DrawsBySample:
    return {name: [change(draw) for draw in drawn] for name, drawn in draws.items()}


def _n_shot(draws: DrawsBySample) -> int:
    first = next(iter(draws.values()))[0]
    return len(first.supports_by_class[0])


def _mixed(one: Draw, two: Draw) -> Draw:
    """Return the first supports of one draw and the last of another."""
    kept = (len(one.supports_by_class[0]) + 1) // 2
    return Draw(
        supports_by_class=[
            np.concatenate((own[:kept], other[kept:]))
            for own, other in zip(
                one.supports_by_class, two.supports_by_class, strict=True
            )
        ],
        queries_by_class=_joined(one.queries_by_class, two.queries_by_class),
        unused_by_class=_joined(one.unused_by_class, two.unused_by_class),
        seed=one.seed,
    )


def _joined(one: Sequence[Indices], two: Sequence[Indices]) -> Sequence[Indices]:
    return [np.concatenate(both) for both in zip(one, two, strict=True)]


def _mislabelled(draw: Draw, wrong: int) -> Draw:
    classes = list(draw.supports_by_class)
    previous = classes[-1:] + classes[:-1]
    supports = [
        np.concatenate((other[:wrong], own[wrong:]))
        for own, other in zip(classes, previous, strict=True)
    ]
    return replace(draw, supports_by_class=supports)


def _thinned_out(draw: Draw, kept: int) -> Draw:
    first, *others = draw.supports_by_class
    return replace(draw, supports_by_class=[first[:kept], *others])
