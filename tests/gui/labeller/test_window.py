"""The window on real labels, with real key presses."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("pyqtgraph")

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from specklenn.core.labelling.label_store import LabelStore
from specklenn.core.labelling.session import LabelSession
from specklenn.gui.labeller import app
from specklenn.gui.labeller.window import LabelWindow

pytestmark = pytest.mark.gui

CLASSES = ("single-hit", "multi-hit", "non-sample-hit")
SHOTS = np.arange(20)
KEY = QtCore.Qt.Key
KEYPAD = QtCore.Qt.KeyboardModifier.KeypadModifier
CONTROL = QtCore.Qt.KeyboardModifier.ControlModifier
NOTHING = QtCore.Qt.KeyboardModifier.NoModifier

NUMBER_PAD = {
    KEY.Key_1: "single-hit",
    KEY.Key_2: "multi-hit",
    KEY.Key_3: "non-sample-hit",
    KEY.Key_0: "no-hit",
    KEY.Key_9: "unknown",
}


def draw(shot, whole):
    """The letter F, brighter in later shots; column 0 is masked."""
    letter = np.zeros((12, 12), np.float32)
    letter[2:10, 3] = letter[2, 3:9] = letter[5, 3:7] = 50 + shot
    letter[:, 0] = np.nan
    return letter if whole else letter[:10, :10]


@pytest.fixture
def store(tmp_path, run_of):
    return LabelStore(tmp_path / "run.labels.json", run_of(100))


@pytest.fixture
def learner(learn_from):
    vectors = np.random.default_rng(0).standard_normal((len(SHOTS), 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return learn_from(vectors.astype(np.float32), CLASSES)


@pytest.fixture
def show(qtbot, store):
    """Show a window on a labelling session."""

    def make(learner=None, size=(1280, 860), classes=CLASSES, keys=None):
        session = LabelSession(SHOTS, store, classes, draw, learner, keys=keys)
        window = LabelWindow(session, "run 94")
        qtbot.addWidget(window)
        window.resize(*size)
        window.show()
        qtbot.waitExposed(window)
        QtWidgets.QApplication.processEvents()
        return window

    return make


@pytest.fixture
def press(qtbot):
    def press(window, *keys, modifier=NOTHING):
        for key in keys:
            qtbot.keyClick(window, key, modifier)

    return press


@pytest.mark.parametrize("modifier", [NOTHING, KEYPAD], ids=["digits", "number pad"])
@pytest.mark.parametrize(("key", "label"), NUMBER_PAD.items(), ids=str)
def test_a_digit_labels_saves_and_goes_on(show, press, store, key, label, modifier):
    window = show()

    press(window, key, modifier=modifier)

    assert json.loads(store.path.read_text())["labels"] == {"0": label}
    assert window.shot.full_text == "run 94   shot 1"
    assert window.progress_words.full_text == "1 of 20 labelled"


def test_letters_may_be_keys_of_labels(show, press, store):
    window = show(keys={"y": "yes", "n": "no"})

    press(window, KEY.Key_Y, KEY.Key_N)

    assert store.labels == {0: "yes", 1: "no"}
    assert [row.name for row in window.rows] == ["yes", "no"]


@pytest.mark.parametrize(
    ("key", "modifier"), [(KEY.Key_U, NOTHING), (KEY.Key_Z, CONTROL)]
)
def test_the_last_label_can_be_undone(show, press, store, key, modifier):
    window = show()
    press(window, KEY.Key_1, KEY.Key_2)

    press(window, key, modifier=modifier)

    assert store.labels == {0: "single-hit"}
    assert window.shot.full_text == "run 94   shot 1"
    assert window.message.full_text == "undone: shot 1 has no label again"


def test_arrows_and_space_walk_and_x_takes_a_label_away(show, press, store):
    window = show()
    press(window, KEY.Key_1, KEY.Key_Space, KEY.Key_Right)
    assert window.shot.full_text == "run 94   shot 3"

    press(window, KEY.Key_Left, KEY.Key_Left, KEY.Key_Left)
    assert window.label.full_text == "single-hit"
    press(window, KEY.Key_X)

    assert window.label.full_text == "no label"
    assert store.labels == {}


def test_the_reason_of_a_suggestion_is_told_and_s_brings_one(show, press, learner):
    window = show(learner)
    assert window.reason.text() == "the most typical shot, to begin with"
    press(window, KEY.Key_1, KEY.Key_Left)
    assert window.reason.text() == "seen before"

    press(window, KEY.Key_S)

    assert window.reason.text().startswith("stands for ")


def test_f_walks_through_the_classes(show, press):
    window = show()
    press(window, KEY.Key_2, KEY.Key_1, KEY.Key_2, KEY.Key_F, KEY.Key_F, KEY.Key_F)

    assert window.place.full_text == "number 1 of the 2 shots labelled multi-hit"
    assert window.shot.full_text == "run 94   shot 0"


def test_rows_show_counts_and_the_latest_examples(show, press):
    window = show()
    single, multi = window.rows[:2]
    assert not single.thumbnail_row.isVisible()

    press(window, KEY.Key_1, KEY.Key_1, KEY.Key_2)

    assert (single.count.full_text, multi.count.full_text) == ("2", "1")
    assert [thumbnail.toolTip() for thumbnail in single.thumbnails] == [
        "shot 1",
        "shot 0",
        "",
        "",
    ]
    assert single.thumbnail_row.isVisible()
    assert not single.thumbnails[0].pixmap().isNull()


def test_the_letter_f_stands_upright_and_bad_pixels_are_grey(show):
    view = show().pattern

    picture = view.image
    bright = [
        (row, column)
        for row in range(12)
        for column in range(12)
        if QtGui.QColor(picture.pixel(column, row)).lightness() > 200
    ]
    expected = np.argwhere(draw(0, True) > 0).tolist()
    assert [list(pixel) for pixel in bright] == expected
    assert QtGui.QColor(picture.pixel(0, 0)).name() == "#4b5763"
    assert view.image_rect().height() == view.height()


def test_frame_coarseness_and_scale_are_changed_by_keys(show, press):
    window = show()
    press(window, KEY.Key_C)
    assert window.pattern.image.width() == 10
    press(window, KEY.Key_C, KEY.Key_B)
    assert window.pattern.image.width() == 6
    press(window, KEY.Key_L)

    assert window.frame.full_text == "whole frame, 2 x 2, sqrt"


def test_a_label_that_cannot_be_saved_is_told_in_red(show, press, store):
    window = show()
    store.path.with_name(f"{store.path.name}.part").mkdir()

    press(window, KEY.Key_1)

    assert "cannot be written" in window.message.full_text
    assert window.message.property("fill") == "red"


def test_help_names_every_key(show, press):
    window = show()
    press(window, KEY.Key_F1)

    words = [each.text() for each in window.help.findChildren(QtWidgets.QLabel)]
    assert window.help.isVisible()
    for keys in ("1, Num+1", "U, Ctrl+Z", "Space, Right", "S", "F"):
        assert keys in words
    press(window, KEY.Key_F1)
    assert not window.help.isVisible()


def test_no_modal_box_ever_opens(show, press):
    window = show()
    press(window, *NUMBER_PAD, KEY.Key_U, KEY.Key_W, KEY.Key_F, KEY.Key_S)

    assert QtWidgets.QApplication.activeModalWidget() is None


def test_q_closes(show, press):
    window = show()

    press(window, KEY.Key_Q)

    assert not window.isVisible()


@pytest.mark.parametrize("size", [(1024, 600), (1280, 860), (1920, 1080)])
def test_no_text_is_clipped_and_many_classes_fit(show, press, size):
    window = show(None, size, tuple(f"class {name}" for name in "abcdefgh"))
    press(window, KEY.Key_1, KEY.Key_2)

    labels = [x for x in window.findChildren(QtWidgets.QLabel) if x.isVisible()]
    assert [label.text() for label in labels if "…" in label.text()] == []
    assert (window.width(), window.height()) == size


def test_without_qt_the_terminal_is_named(monkeypatch, capsys):
    monkeypatch.setattr(
        "specklenn.gui.common.qt_check.refusal", lambda: "no Qt: pip install x"
    )

    assert app.refuse() == 2
    assert capsys.readouterr().err == (
        "specklenn label: no Qt: pip install x, or use --terminal\n"
    )


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from pyqtgraph.Qt import QtCore, QtWidgets
from specklenn.core.labelling.data_identity import LabelledData
from specklenn.core.labelling.session import LabelSession
from specklenn.core.labelling.label_store import LabelStore
from specklenn.gui.labeller.app import run

app = QtWidgets.QApplication([])
Path("a.h5").touch()
data = LabelledData(path=Path("a.h5"), shots=4, frame_of=lambda shot: np.eye(8))
session = LabelSession(np.arange(4), LabelStore(Path("a.json"), data), ("x", "y"),
            lambda shot, whole: np.eye(8, dtype=np.float32))
# Said by the window's own loop, which takes the signals from then on.
QtCore.QTimer.singleShot(0, lambda: print("ready", flush=True))
sys.exit(run(session, "run 94"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_window_as_interrupted(number, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, problems = process.communicate(timeout=120)

    assert (process.returncode, problems) == (130, "")
