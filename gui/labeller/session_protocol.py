"""What the window needs of whoever keeps the labels; handed in from outside."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Pattern = npt.NDArray[np.float32]


class SessionView(Protocol):
    """What is shown besides the picture."""

    @property
    def shot(self) -> int:
        """Number of the shot."""

    @property
    def label(self) -> str:
        """Its label, empty for none."""

    @property
    def reason(self) -> str:
        """Why it is shown."""

    @property
    def message(self) -> str:
        """What happened last."""

    @property
    def failed(self) -> bool:
        """Whether that is a problem."""

    @property
    def filter_name(self) -> str:
        """Which shots are walked through."""

    @property
    def place(self) -> int:
        """Which of these the shot is, from 1; 0 if none."""

    @property
    def listed(self) -> int:
        """How many these are."""

    @property
    def counts(self) -> dict[str, int]:
        """Shots with each label."""

    @property
    def labelled(self) -> int:
        """Shots with a label, of those offered."""

    @property
    def offered(self) -> int:
        """Shots that are offered."""

    @property
    def guessed(self) -> int:
        """How often the nearest class was right."""

    @property
    def guesses(self) -> int:
        """Of how many labels."""

    @property
    def frame(self) -> str:
        """Which part of the frame is shown."""


class LabelSessionProtocol(Protocol):
    """One sitting of labelling."""

    @property
    def keys(self) -> dict[str, str]:
        """Which digit gives which label."""

    def view(self) -> SessionView:
        """Return what is shown besides the picture."""

    def picture(self, most: int) -> Pattern:
        """Return the picture, photons, with at most so many pixels a side."""

    def examples(self, label: str, most: int) -> list[int]:
        """Return the shots that got a label last, the latest first."""

    def example_picture(self, shot: int, most: int) -> Pattern:
        """Return a small picture of any shot."""

    def label(self, label: str) -> None:
        """Label the shot and go on."""

    def clear(self) -> None:
        """Take the label away."""

    def undo(self) -> None:
        """Take the last label back."""

    def forward(self) -> None:
        """Show the next shot."""

    def back(self) -> None:
        """Show the shot before."""

    def suggest(self) -> None:
        """Show the most informative shot."""

    def next_filter(self) -> None:
        """Walk through other shots."""

    def toggle_frame(self) -> None:
        """Show the whole frame, or a part."""

    def toggle_coarse(self) -> None:
        """Add up more pixels, or none."""

    def export(self) -> None:
        """Write what other commands read."""
