"""What the window calls of the labelling session that is handed in."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from specklenn.core.labelling.session_view import SessionView

Pattern = npt.NDArray[np.float32]


class LabelSessionProtocol(Protocol):
    """One sitting of labelling; `specklenn.core.labelling.session` has the real one."""

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
