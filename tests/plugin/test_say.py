"""Sentences are folded for people and stay whole for files."""

import io
import os
import pty
import subprocess
import sys

import pytest

from specklenn.plugin.say import WIDEST, complain, folded, say

SENTENCE = (
    "results/amo06516-r0094 holds results already; choose another folder or "
    "--set output.overwrite=true, and do not take this one for more than a test"
)


@pytest.fixture
def columns(monkeypatch):
    """Say how many columns there are; None for a file."""

    def say_columns(number):
        if number is None:
            monkeypatch.delenv("COLUMNS", raising=False)
        else:
            monkeypatch.setenv("COLUMNS", str(number))

    return say_columns


def test_a_sentence_in_a_file_is_one_line(columns):
    columns(None)

    assert folded(SENTENCE, io.StringIO()) == SENTENCE


@pytest.mark.parametrize("number", [40, 80, 100, 300])
def test_no_line_is_wider_than_the_columns_and_no_word_is_cut(columns, number):
    columns(number)

    lines = folded(SENTENCE, io.StringIO()).splitlines()

    assert max(map(len, lines)) <= min(number, WIDEST)
    assert " ".join(line.strip() for line in lines) == SENTENCE


def test_a_name_longer_than_the_line_is_left_whole(columns):
    columns(20)
    name = "/data/a-name-with-hyphens/of/many/folders.h5"

    assert name in folded(f"{name}: no such file", io.StringIO()).splitlines()[0]


def test_lines_of_a_text_stay_lines(columns):
    columns(100)

    assert folded("one\ntwo", io.StringIO()) == "one\ntwo"


def test_problems_go_to_stderr_and_say_who_found_them(columns, capsys):
    columns(None)

    say("done")
    complain("a.h5: no such file")
    complain("left out: b", "specklenn compare")

    told = capsys.readouterr()
    assert told.out == "done\n"
    assert (
        told.err
        == "specklenn: error: a.h5: no such file\nspecklenn compare: left out: b\n"
    )


def test_a_terminal_is_as_wide_as_it_is():
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    code = (
        "import sys, fcntl, struct, termios\n"
        "fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))\n"
        f"from specklenn.plugin.say import say; say({SENTENCE!r})"
    )

    subprocess.run(
        [sys.executable, "-c", code], stdout=theirs, env=environment, check=True
    )
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)

    assert max(map(len, shown.splitlines())) <= 60
