"""Whether shots resemble the supports: a run says so when too many do not.

Supports of one particle and shots of another, or of another detector or beam: scores
may be high all the same, but the shots are far from every support.
"""

from __future__ import annotations

import numpy as np

from specklenn.core.flags import Flag
from specklenn.core.rows import Rows

MOST_FAR = 0.15
"""Share of hits far from every class above which a person is told. Of shots of the
supports' own kind about one in fifty is."""

FEWEST_HITS = 100

REMEMBERED_HITS = 2000
"""What came before so many hits counts half, before twice as many a quarter."""


class FarShots:
    """Counts hits that are far from every class, of the model and supports in use."""

    def __init__(self) -> None:
        self._in_use = (0, 0)
        self._hits = 0.0
        self._far = 0.0

    def add(self, rows: Rows) -> None:
        """Count rows; those of a newer model or newer supports begin anew."""
        judged = rows[np.isfinite(rows["score"])]
        if len(judged) == 0:
            return
        last = judged[-1]
        in_use = int(last["model_version"]), int(last["support_version"])
        if in_use != self._in_use:
            self._in_use, self._hits, self._far = in_use, 0.0, 0.0
        same = judged[
            (judged["model_version"] == in_use[0])
            & (judged["support_version"] == in_use[1])
        ]
        kept = 0.5 ** (len(same) / REMEMBERED_HITS)
        far = (same["flags"] & Flag.FAR.bits) != 0
        self._hits = kept * self._hits + len(same)
        self._far = kept * self._far + float(far.sum())

    def warnings(self) -> list[str]:
        """Return a sentence where too many hits are far from every class."""
        if self._hits < FEWEST_HITS or self._far <= MOST_FAR * self._hits:
            return []
        share = 100 * self._far / self._hits
        return [
            f"{share:.0f} % of the hits are far from every support: are the supports "
            "of this sample, detector and beam? Their labels cannot be relied on"
        ]
