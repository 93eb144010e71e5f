"""Fits the head to a run's own hits: an update that the run itself asks for.

`classify.follow_run` switches it on. The collector keeps a sample of the hits that it
has rows of (`specklenn.core.hit_sample`). When there are enough, and each time that
there are twice as many, the sample is brought to all workers as swaps are: every one
builds the fit, and all switch or none. What is asked for by people comes first.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from msgspec.structs import replace

from specklenn.core.hit_sample import HitSample
from specklenn.plugin.live.model_update import FitUpdate, pack_update
from specklenn.plugin.live.report import Report
from specklenn.plugin.live.run_state import RunState
from specklenn.plugin.live.swap_coordinator import UpdateRequest, UpdateRequests
from specklenn.plugin.live.versions import Version

log = logging.getLogger(__name__)

FEWEST_HITS = 64
"""Hits before the first fit: of fewer, means and variances are not known."""

FOLLOWING_RULE = "ensemble"
"""The rule whose head uses unlabelled shots."""


class RunFollower:
    """Gathers hits as a sink does, and requests updates as a person does.

    Parameters
    ----------
    requests : UpdateRequests or None
        Those of people.
    state : RunState
        Read only.
    numbers : iterator of int
        Gives every update of the run a number of its own.
    """

    def __init__(
        self, requests: UpdateRequests | None, state: RunState, numbers: Iterator[int]
    ) -> None:
        self._requests = requests
        self._state = state
        self._numbers = numbers
        self._samples: defaultdict[int, HitSample] = defaultdict(HitSample)
        self._hits: defaultdict[int, int] = defaultdict(int)
        self._rows = 0
        self._fits = 0
        self._due = FEWEST_HITS
        self._pending: UpdateRequest | None = None

    def write(self, report: Report) -> None:
        """Count hits of each model, and keep those that workers sent."""
        rows, sampled = report.rows, report.sampled
        self._rows += len(rows)
        hits = rows["model_version"][np.isfinite(rows["score"])]
        for model, number in zip(*np.unique(hits, return_counts=True), strict=True):
            self._hits[int(model)] += int(number)
        of_model = rows["model_version"][sampled.positions]
        for model in np.unique(of_model):
            mine = of_model == model
            index = rows["index"][sampled.positions[mine]]
            self._samples[int(model)].add(index, sampled.pictures[mine])

    def use(self, version: Version) -> None:
        """Begin anew where a person has changed what classifies the shots."""
        if version.fit_version == 0:
            self._due = FEWEST_HITS
        else:
            log.info("%s after %d rows", version.words, version.fit_rows)

    def flush(self) -> None:
        """Nothing waits."""

    def next(self) -> UpdateRequest | None:
        """Return a request of a person, or else a fit that is due, or None."""
        self._note_refusal()
        asked = None if self._requests is None else self._requests.next()
        return asked or self._fit()

    def close(self) -> None:
        """Take no more requests."""
        if self._requests is not None:
            self._requests.close()

    def _fit(self) -> UpdateRequest | None:
        now = self._state.in_use
        hits = self._hits[now.model_version]
        running = self._state.state == "running"
        if now.rule != FOLLOWING_RULE or hits < self._due or not running:
            return None
        self._due = 2 * hits
        self._fits += 1
        version = replace(
            now,
            number=next(self._numbers),
            fit_version=self._fits,
            fit_rows=self._rows,
            asked_by="",
        )
        sample = self._samples[now.model_version]
        update = FitUpdate(version=version, hits=sample.hits)
        self._pending = UpdateRequest(
            version=version,
            payload=pack_update(update),
            support_notes=self._state.support_notes,
        )
        return self._pending

    def _note_refusal(self) -> None:
        """Tell the log of a fit that a rank could not make; the next one may do."""
        if self._pending is None or self._pending.result is None:
            return
        result, version = self._pending.result, self._pending.version
        self._pending = None
        if not result.done:
            log.warning("fit v%d is not used: %s", version.fit_version, result.reason)
