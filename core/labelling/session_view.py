"""What a screen shows of a labelling session, besides the picture.

The window imports this module, so it imports nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionView:
    """Everything to show besides the picture.

    Parameters
    ----------
    shot : int
        Number in the run.
    label : str
        Label of the shot, empty for none.
    reason : str
        Why it is shown.
    message : str
        What happened last.
    failed : bool
        Whether that is a problem.
    filter_name : str
        Which shots are walked through.
    place, listed : int
        Which of how many of these the shot is, from 1; 0 if it is none of them.
    counts : dict of label to int
        Labels in the whole run.
    labelled, offered : int
        Shots with a label among those offered.
    guessed, guesses : int
        How often the nearest class was what the person then said.
    frame : str
        Which part of the frame is shown, and how coarse.
    """

    shot: int
    label: str
    reason: str
    message: str
    failed: bool
    filter_name: str
    place: int
    listed: int
    counts: dict[str, int]
    labelled: int
    offered: int
    guessed: int
    guesses: int
    frame: str

    @property
    def where(self) -> str:
        """Which of the shots that are walked through is shown, for people."""
        which = {"all": "shots", "unlabelled": "shots without a label"}.get(
            self.filter_name, f"shots labelled {self.filter_name}"
        )
        if not self.place:
            return f"none of the {self.listed} {which}"
        return f"number {self.place} of the {self.listed} {which}"
