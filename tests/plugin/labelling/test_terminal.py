import io
import re

import numpy as np
import pytest
from rich.console import Console

from specklenn.core.labelling.label_store import LabelStore
from specklenn.core.labelling.session import LabelSession
from specklenn.plugin.labelling.terminal import LabelTerminal, read_keys

CLASSES = ("single-hit", "multi-hit", "non-sample-hit")


@pytest.fixture
def make_session(tmp_path, run_of):
    """Begin a session on square pictures of so many pixels a side."""

    def make(side):
        def draw(shot, whole):
            return np.arange(side**2, dtype=np.float32).reshape(side, side)

        store = LabelStore(tmp_path / "a.json", run_of(9))
        return LabelSession(np.arange(9), store, CLASSES, draw)

    return make


@pytest.fixture
def session(make_session):
    return make_session(4)


def test_arrows_are_keys_and_a_lone_escape_is_none(tmp_path):
    (tmp_path / "keys").write_bytes(b"1\x1b[C\x1b[D\r\n2\x1b")

    with open(tmp_path / "keys") as stream:
        assert list(read_keys(stream)) == ["1", "right", "left", "2", ""]


def test_the_screen_holds_picture_counts_and_keys(session):
    screen = io.StringIO()
    console = Console(
        file=screen, force_terminal=True, color_system="truecolor", width=90, height=30
    )
    terminal = LabelTerminal(session, "run.cxi")
    terminal.press("2")

    console.print(terminal.drawn(console))

    assert screen.getvalue().count("\N{UPPER HALF BLOCK}") == 8
    for words in ("run.cxi  shot 1", "2 multi-hit (1)", "1 of 9 labelled", "q leave"):
        assert words in re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def test_pictures_leave_room_for_all_words_also_where_these_take_two_lines(
    make_session,
):
    console = Console(file=io.StringIO(), width=80, height=24)
    terminal = LabelTerminal(make_session(34), "run.cxi")

    with console.capture() as shown:
        console.print(terminal.drawn(console))

    lines = shown.get().rstrip("\n").split("\n")
    assert lines[-1].strip().endswith("q leave")
    assert len(lines) <= 24


def test_every_key_of_the_help_does_something(session):
    terminal = LabelTerminal(session, "run.cxi")
    console = Console(file=io.StringIO(), width=90, height=30)
    looks = []
    for key in "h1lcbxufp":
        assert terminal.press(key)
        with console.capture() as shown:
            console.print(terminal.drawn(console))
        looks.append(shown.get())

    assert "most informative shot" in looks[0]
    assert len(set(looks)) == len(looks)
    assert not terminal.press("q")
