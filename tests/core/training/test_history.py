import sys

import pytest

from specklenn.core.training.history import History, draw_curves
from specklenn.core.training.trainer import Step


def step(loss, share=0.5):
    return Step(
        step=1,
        loss=loss,
        semi_hard_share=share,
        learning_rate=1e-3,
        patterns=8,
        stopping=False,
    )


def test_the_best_score_is_remembered():
    history = History()

    assert history.record({"score": 0.7})
    assert not history.record({"score": 0.6})
    assert History.from_state(history.state()).record({"score": 0.8})
    assert not History.from_state(history.state()).record({"score": 0.7})


def test_without_a_score_the_last_weights_are_the_best():
    history = History()

    assert history.record({})
    assert history.record({})


def test_means_are_over_the_steps_since_the_last_validation():
    history = History()
    history.add(step(9.0), seconds=1.0)
    history.record({})
    for loss in (1.0, 2.0):
        history.add(step(loss), seconds=2.5)

    assert history.means() == {"loss": pytest.approx(1.5), "semi_hard_share": 0.5}
    assert History.from_state(history.state()).means() == history.means()
    assert History.from_state(history.state()).seconds == 2.5


def test_without_matplotlib_nothing_is_drawn_and_nothing_said(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    draw_curves([{"step": 1.0, "loss": 2.0}], [], tmp_path / "log.png")

    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == ""
