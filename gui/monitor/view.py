"""What the window draws: plain values, computed by the state."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from specklenn.core.messages import Example, Snapshot
from specklenn.gui.monitor.history import RateSeries


class Freshness(enum.Enum):
    """How far the picture can be trusted to show the present."""

    WAITING = "WAITING"
    LIVE = "LIVE"
    STALE = "STALE"
    DISCONNECTED = "DISCONNECTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the person at the window asked for.

    Parameters
    ----------
    window_s : float or None
        Length of the window of rates in seconds, None for the whole run.
    boxcar_s : float or None
        Length of the moving average in seconds, None to follow the window.
    """

    window_s: float | None = 600.0
    boxcar_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClassRate:
    """Rate of one class in the chosen window, fractions of one.

    Parameters
    ----------
    name : str
        Class.
    hits, shots : int
        Its shots and all classified shots in the window.
    total : int
        Its shots since the run began.
    rate, low, high : float
        Rate and 95 % interval; NaN without shots.
    """

    name: str
    hits: int
    shots: int
    total: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class VersionRates:
    """What one model with its supports made of its shots, since the run began.

    Parameters
    ----------
    words : str
        Which it is.
    more : str
        Content of the supports and times of its use.
    shots, skips : int
        Its shots, and those of them that could not be classified.
    rates : tuple of ClassRate
        In the order of the classes.
    """

    words: str
    more: str
    shots: int
    skips: int
    rates: tuple[ClassRate, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Header:
    """What the status bar shows besides freshness.

    Parameters
    ----------
    snapshot : Snapshot
        The newest one.
    skipped : tuple of (str, int)
        Reasons and shots, most frequent first.
    shots_per_s : float
        Over the last ten seconds, or over the run when it has ended.
    latency_ms : tuple of float
        Quantiles 50 %, 95 % and 99 %.
    ranks_alive : int
        Workers without failure that were heard lately.
    """

    snapshot: Snapshot
    skipped: tuple[tuple[str, int], ...]
    shots_per_s: float
    latency_ms: tuple[float, float, float]
    ranks_alive: int


@dataclass(frozen=True, eq=False)
class SeenExample:
    """An example and its age in seconds.

    Parameters
    ----------
    key : tuple of (str, int, int)
        Identifies the example: session, shot index, time stamp.
    """

    key: tuple[str, int, int]
    example: Example
    age_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One drawing of the window; `header` is None before the first message.

    Parameters
    ----------
    age_s : float
        Seconds since the last message; since the start before the first.
    updated_s : float
        When the last message was written, Unix epoch seconds.
    over_s : float
        Seconds that the rates cover.
    examples : dict of str to tuple of SeenExample
        Newest first, for every class.
    versions : tuple of VersionRates
        Every model with its supports that the run has had, that used last at the end.
    marks : tuple of (float, str)
        Unix epoch seconds and words for what changed then.
    failures : tuple of str
        Sentences that a person must see.
    """

    freshness: Freshness
    age_s: float
    updated_s: float = float("nan")
    header: Header | None = None
    rates: tuple[ClassRate, ...] = ()
    over_s: float = 0.0
    series: RateSeries | None = None
    examples: dict[str, tuple[SeenExample, ...]] = field(default_factory=dict)
    versions: tuple[VersionRates, ...] = ()
    marks: tuple[tuple[float, str], ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether the run goes on, but its data do not arrive."""
        return self.freshness in (Freshness.STALE, Freshness.DISCONNECTED)
