"""The status bar: how fresh, which run, how many shots, how well it runs."""

from __future__ import annotations

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.core.messages import Snapshot
from specklenn.gui.common import formats
from specklenn.gui.common.elided_label import Chip
from specklenn.gui.monitor.view import Freshness, Header, View

MOST_TIP_LINES = 12

FILLS = {
    Freshness.WAITING: "grey",
    Freshness.LIVE: "green",
    Freshness.STALE: "amber",
    Freshness.DISCONNECTED: "red",
    Freshness.FINISHED: "grey",
    Freshness.FAILED: "red",
}


class StatusBar(QtWidgets.QWidget):
    """One line of chips above everything, buttons at its right end.

    Parameters
    ----------
    actions : list of QAction
        What the buttons do.
    """

    def __init__(self, actions: list[QtGui.QAction]) -> None:
        super().__init__()
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(5)
        self.pill = Chip(bold=True)
        self.chips = {
            name: Chip(bold=name == "title")
            for name in (
                "title",
                "shots",
                "rate",
                "lost",
                "latency",
                "ranks",
                "support",
                "model",
                "bad",
            )
        }
        for chip in (self.pill, *self.chips.values()):
            row.addWidget(chip)
        row.addStretch(1)
        for action in actions:
            row.addWidget(_button(action))

    def set_view(self, view: View) -> None:
        """Show freshness and header of a view."""
        self.pill.set_mark("fill", FILLS[view.freshness])
        self.pill.set_text(_pill_text(view), _pill_tip(view))
        for name, chip in self.chips.items():
            chip.setVisible(view.header is not None and name != "bad")
        if view.header is not None:
            self._set_header(view.header)

    def set_paused(self, since: str) -> None:
        """Say that the picture stands still."""
        self.pill.set_mark("fill", "blue")
        self.pill.set_text(
            f"PAUSED since {since}", "Counting goes on; Space shows the present again."
        )

    def set_bad_messages(self, number: int, problem: str) -> None:
        """Say how many messages could not be read, and what the last one had."""
        chip = self.chips["bad"]
        chip.setVisible(number > 0)
        chip.set_mark("warn", "true")
        chip.set_text(f"{formats.short_count(number)} bad messages", problem)

    def _set_header(self, header: Header) -> None:
        chips, snapshot = self.chips, header.snapshot
        title = " run ".join(filter(None, (snapshot.experiment, snapshot.run)))
        chips["title"].set_text(title or "unnamed run")
        chips["shots"].set_text(_shots_text(snapshot), "Classified and skipped shots.")
        chips["rate"].set_text(
            formats.per_second(header.shots_per_s),
            "Classified shots per second over the last 10 s; "
            "over the whole run once it has ended.",
        )
        _set_lost(chips["lost"], header)
        p50, p95, p99 = (formats.milliseconds(value) for value in header.latency_ms)
        chips["latency"].set_text(
            f"latency {p50} / {p99} ms",
            "From the shot to its result at the collector, last minute:\n"
            f"median {p50} ms, 95 % below {p95} ms, 99 % below {p99} ms.",
        )
        _set_ranks(chips["ranks"], header)
        chips["support"].set_text(
            f"support v{snapshot.support_version}",
            f"Version and content of the support set: {snapshot.support_hash}",
        )
        chips["model"].set_text(
            f"model v{snapshot.model_version}",
            f"The model in use, 1 at the start of the run: {snapshot.model}"
            + ("\n" + _fit_text(snapshot) if snapshot.fit_version else ""),
        )


def _fit_text(snapshot: Snapshot) -> str:
    return (
        f"Fitted to the supports and to hits of the run, fit v{snapshot.fit_version}."
    )


def _button(action: QtGui.QAction) -> QtWidgets.QPushButton:
    button = QtWidgets.QPushButton(action.text())
    keys = action.shortcut().toString()
    button.setToolTip(f"{action.toolTip()} ({keys})")
    button.setFocusPolicy(QtCore.Qt.FocusPolicy.NoFocus)
    button.setCheckable(action.isCheckable())
    button.clicked.connect(lambda _checked: action.trigger())
    action.changed.connect(lambda: button.setChecked(action.isChecked()))
    return button


def _pill_text(view: View) -> str:
    name = view.freshness.value
    if view.freshness is Freshness.LIVE:
        return f"● {name}  {view.age_s:.1f} s old"
    if view.freshness in (Freshness.STALE, Freshness.DISCONNECTED):
        return f"▲ {name}  {formats.age(view.age_s)}"
    if view.freshness is Freshness.FAILED:
        return f"▲ {name}"
    return f"■ {name}"


def _pill_tip(view: View) -> str:
    return {
        Freshness.WAITING: "The run has not shown a shot yet.",
        Freshness.LIVE: "Data arrive.",
        Freshness.STALE: "Nothing has arrived for more than 2 s.",
        Freshness.DISCONNECTED: "Nothing has arrived for more than 10 s.",
        Freshness.FINISHED: "The run says that it is done.",
        Freshness.FAILED: "The run says that it failed.",
    }[view.freshness]


def _shots_text(snapshot: Snapshot) -> str:
    shots = formats.long_count(snapshot.shots)
    if snapshot.expected_shots:
        return f"{shots} of {formats.long_count(snapshot.expected_shots)} shots"
    return f"{shots} shots"


def _set_lost(chip: Chip, header: Header) -> None:
    """Missed and skipped shots; reasons in the tool tip."""
    skipped = sum(number for _, number in header.skipped)
    shots, missed = header.snapshot.shots, header.snapshot.missed_shots
    lost = missed + skipped
    share = lost / max(shots + missed, 1)
    lines = [
        f"{formats.long_count(missed)} missed: never came back",
        f"{formats.long_count(skipped)} skipped: could not be classified",
        *(f"    {formats.long_count(n)}  {why}" for why, n in header.skipped if n),
    ]
    chip.set_text(
        f"lost {formats.short_count(lost)} ({formats.percent(share)})",
        "\n".join(lines[:MOST_TIP_LINES]),
    )
    chip.set_mark("warn", "true" if share > 0.01 else "false")


def _set_ranks(chip: Chip, header: Header) -> None:
    alive, ranks = header.ranks_alive, header.snapshot.ranks
    troubled = [
        f"rank {rank.rank} on {rank.host}: "
        + (rank.failure or f"silent for {formats.age(rank.silent_s)}")
        for rank in ranks
        if rank.failure or rank.silent_s > 1.0
    ]
    chip.set_text(
        f"ranks {alive}/{len(ranks)}",
        "\n".join(troubled[:MOST_TIP_LINES]) or "All ranks report.",
    )
    chip.set_mark("warn", "true" if alive < len(ranks) else "false")
