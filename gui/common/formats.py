"""Numbers, times and names as short text that people read at a glance."""

from __future__ import annotations

import datetime
import math
import re

NOTHING = "\u2013"
THIN_SPACE = "\u2009"


def short_count(number: int) -> str:
    """Shots in at most five characters, for example 9871, 41 k or 1.28 M."""
    if number < 10_000:
        return str(number)
    for limit, unit in ((1e6, "k"), (1e9, "M"), (1e12, "G")):
        if number < limit * 0.9995:
            value = number / (limit / 1e3)
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            if unit == "k" and value >= 10:
                digits = 0 if value >= 99.95 else 1
            return f"{value:.{digits}f} {unit}"
    return f"{number:.1e}"


def long_count(number: int) -> str:
    """Shots in full, in groups of three digits."""
    return f"{number:,}".replace(",", THIN_SPACE)


def percent(share: float) -> str:
    """Fraction of one as per cent with the digits that matter."""
    if not math.isfinite(share):
        return NOTHING
    value = 100 * share
    if 0 < value < 0.1:
        return f"{value:.2f} %"
    return f"{value:.1f} %"


def interval(low: float, high: float) -> str:
    """Bounds of a rate as per cent."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no shots yet"
    digits = 2 if high - low < 0.002 else 1
    return f"{100 * low:.{digits}f} \u2013 {100 * high:.{digits}f} %"


def per_second(rate: float) -> str:
    """Shots per second."""
    if not math.isfinite(rate):
        return f"{NOTHING} Hz"
    return f"{rate:.1f} Hz" if rate < 1000 else f"{rate / 1000:.2f} kHz"


def milliseconds(value: float) -> str:
    """Latency without unit, in whole milliseconds from 10 on."""
    if not math.isfinite(value):
        return NOTHING
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def age(seconds: float) -> str:
    """Age of an example or a message."""
    for limit, length, unit in (
        (100, 1, "s"),
        (100 * 60, 60, "min"),
        (100 * 3600, 3600, "h"),
    ):
        if seconds < limit:
            return f"{int(seconds / length)} {unit}"
    return f"{int(seconds / 86_400)} d"


def duration(seconds: float) -> str:
    """Length of a window or an average."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def score(value: float) -> str:
    """Score of an example, two digits."""
    return f"{value:.2f}" if math.isfinite(value) else NOTHING


def clock_time(epoch_s: float) -> str:
    """Time of day in this machine's zone, which is named."""
    if not math.isfinite(epoch_s):
        return NOTHING
    local = datetime.datetime.fromtimestamp(epoch_s).astimezone()
    return f"{local:%H:%M:%S} {local.tzname()}"


def date_time(epoch_s: float) -> str:
    """Date and time in this machine's zone, which is named."""
    local = datetime.datetime.fromtimestamp(epoch_s).astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def zone(epoch_s: float) -> str:
    """Name of this machine's zone and its distance from UTC at that time."""
    local = datetime.datetime.fromtimestamp(epoch_s).astimezone()
    offset = f"{local:%z}"
    name = local.tzname() or ""
    distance = f"UTC{offset[:3]}:{offset[3:5]}"
    return name if name == "UTC" else f"{name}, {distance}"


def file_stem(*words: str) -> str:
    """Words joined to a file name without anything a shell or disk dislikes."""
    clean = (re.sub(r"[^A-Za-z0-9.-]+", "-", word).strip("-.") for word in words)
    return "_".join(word[:64] for word in clean if word)
