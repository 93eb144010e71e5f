"""How pure a class of a run is, without truth: some of its shots, looked at again.

The shots are drawn at random, so that the share that a person agrees with estimates
the purity of the whole class. Shots of all other classes, drawn as well, estimate how
many of the class were missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from specklenn.core.errors import ConfigError
from specklenn.core.intervals import wilson_interval
from specklenn.core.labels import NO_HIT
from specklenn.core.rows import NO_CLASS, Rows
from specklenn.core.settings import Settings

Answer = Literal["", "yes", "no", "unsure"]

YES: Answer = "yes"
NO: Answer = "no"
UNSURE: Answer = "unsure"

KEYS: Mapping[str, Answer] = {"y": YES, "n": NO, "9": UNSURE}
"""As 9 is "unknown" where shots are labelled."""

ABOVE = (0.0, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Scores above which the purity is given."""


class CheckedShot(Settings):
    """A shot that was drawn.

    Parameters
    ----------
    shot : int
        Its number in the run.
    label : str
        What the run called it.
    score : float or None
        The run's score; None where it has none.
    answer : {"", "yes", "no", "unsure"}
        Whether a person finds that it belongs to the class; empty if not asked yet.
    """

    shot: int = Field(ge=0)
    label: str
    score: float | None
    answer: Answer = ""


class PurityCheck(Settings):
    """The shots of a run that are looked at, and what was said of them.

    Parameters
    ----------
    results : str
        The file of results.
    checked_class : str
    above_score : float
        Shots of the class with a lower score were not drawn from.
    seed : int
        Of the draw.
    of_class, of_others : int
        How many shots of the class, and of others, were drawn from.
    shots : tuple of CheckedShot
        In the order in which they are shown.
    """

    results: str
    checked_class: str
    above_score: float = Field(ge=0, le=1)
    seed: int = Field(ge=0)
    of_class: int = Field(ge=1)
    of_others: int = Field(ge=0)
    shots: tuple[CheckedShot, ...]


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of shots that a person was sure of.

    Parameters
    ----------
    yes, sure, unsure : int
        Shots of the class, of those the person was sure of; and how many it was not.
    """

    yes: int
    sure: int
    unsure: int

    @property
    def mean(self) -> float:
        """The share, NaN if nobody was sure of any."""
        return self.yes / self.sure if self.sure else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval (Wilson's); 0 to 1 where nothing is known."""
        if not self.sure:
            return 0.0, 1.0
        low, high = wilson_interval(self.yes, self.sure)
        return float(low), float(high)

    @property
    def words(self) -> str:
        """The share and its interval, for people."""
        if not self.sure:
            return "not known yet"
        low, high = self.interval
        return (
            f"{self.yes} of {self.sure} = {100 * self.mean:.1f} % "
            f"(95 %: {100 * low:.1f} to {100 * high:.1f} %)"
        )


def draw_check(
    rows: Rows,
    classes: tuple[str, ...],
    *,
    results: str,
    checked_class: str,
    above_score: float = 0.0,
    shots: int = 50,
    others: int = 0,
    no_hits: bool = False,
    seed: int = 0,
    there: npt.NDArray[np.int64] | None = None,
) -> PurityCheck:
    """Draw shots of a class, and of others, at random.

    Parameters
    ----------
    rows : (N,) records
        Of the run, see `specklenn.core.rows`.
    classes : tuple of str
        Every label there is.
    results : str
        The file of the rows.
    checked_class : str
    above_score : float
        Only shots of the class with at least this score.
    shots, others : int
        How many of the class, and of others; fewer if there are fewer.
    no_hits : bool
        Whether no-hits are among the others.
    seed : int
    there : (K,) int64, optional
        Numbers of the shots that can be shown; all by default.

    Raises
    ------
    ConfigError
        If there is no such class or no shot of it.
    """
    if checked_class not in classes:
        raise ConfigError(
            f"--class: {checked_class} found, one of {', '.join(classes)} expected"
        )
    names = np.array(classes)[rows["label"]]
    shown = rows["label"] != NO_CLASS
    if there is not None:
        shown &= np.isin(rows["index"], there)
    above = ~(rows["score"] < above_score)
    own = np.flatnonzero(shown & (names == checked_class) & above)
    rest = names != checked_class
    if not no_hits:
        rest &= names != NO_HIT
    other = np.flatnonzero(shown & rest)
    if len(own) == 0:
        least = f" with a score of at least {above_score:g}" if above_score else ""
        raise ConfigError(
            f"{results}: no {checked_class}{least} that can be shown among "
            f"{len(rows)} shots"
        )
    random = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            random.permutation(own)[:shots],
            random.permutation(other)[:others],
        ]
    )
    return PurityCheck(
        results=results,
        checked_class=checked_class,
        above_score=above_score,
        seed=seed,
        of_class=len(own),
        of_others=len(other),
        shots=tuple(
            CheckedShot(
                shot=int(rows["index"][row]),
                label=str(names[row]),
                score=_score(rows["score"][row]),
            )
            for row in random.permutation(drawn)
        ),
    )


def purity(check: PurityCheck, above_score: float = 0.0) -> Share:
    """Return which share of the class, with at least such a score, belongs to it."""
    return _share(
        [
            one
            for one in check.shots
            if one.label == check.checked_class
            and (one.score is None or one.score >= above_score)
        ]
    )


def missed(check: PurityCheck) -> Share:
    """Return which share of the other shots belongs to the class."""
    return _share([one for one in check.shots if one.label != check.checked_class])


def recall(check: PurityCheck) -> tuple[float, float, float]:
    """Return which share of all shots of the class the run has found, low and high.

    By the purity of the class, the share that was missed among the others, and how
    many there are of both. The ends take those of both intervals that are worst, and
    best; 0 and 1 where nothing is known of one of them.
    """
    found, lost = purity(check), missed(check)

    def share(right: float, wrong: float) -> float:
        ours, theirs = right * check.of_class, wrong * check.of_others
        return ours / (ours + theirs) if ours + theirs else float("nan")

    (low, high), (least, most) = found.interval, lost.interval
    return share(found.mean, lost.mean), share(low, most), share(high, least)


def _share(shots: list[CheckedShot]) -> Share:
    answers = [one.answer for one in shots]
    yes, no = answers.count(YES), answers.count(NO)
    return Share(yes=yes, sure=yes + no, unsure=answers.count(UNSURE))


def _score(value: np.float32) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
