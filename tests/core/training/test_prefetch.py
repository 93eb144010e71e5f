import multiprocessing
import os
import signal

import pytest
import torch

from specklenn.core.errors import DataError
from specklenn.core.training.from_settings import make_objective
from specklenn.core.training.prefetch import draw_batches


def test_batches_drawn_in_the_background_are_the_same_bit_for_bit(settings, make_data):
    objective = make_objective(settings, make_data())

    here = list(draw_batches(objective, [1], range(2, 7), workers=0))
    there = list(draw_batches(objective, [1], range(2, 7), workers=2))

    assert len(here) == len(there) == 5
    for one, other in zip(here, there, strict=True):
        assert one.inputs.numpy().tobytes() == other.inputs.numpy().tobytes()
        assert torch.equal(one.rows, other.rows)
        assert one.seed == other.seed


def test_a_training_that_stops_early_leaves_no_process_behind(few_shot, make_data):
    objective = make_objective(few_shot, make_data())
    drawn = draw_batches(objective, [0], range(100), workers=1)
    next(drawn)
    assert multiprocessing.active_children()

    drawn.close()

    assert multiprocessing.active_children() == []


class Deadly:
    """An objective whose third batch kills whoever draws it."""

    parts = 1

    def __init__(self, objective):
        self.draw_well = objective.draw

    def draw(self, step, parts):
        if step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.draw_well(step, parts)


def test_a_drawing_process_that_dies_is_said(few_shot, make_data):
    objective = Deadly(make_objective(few_shot, make_data()))

    with pytest.raises(DataError, match=r"draws batches has ended: "):
        list(draw_batches(objective, [0], range(5), workers=1))


def test_background_processes_survive_the_signals_that_end_a_training(
    few_shot, make_data
):
    objective = make_objective(few_shot, make_data())
    drawn = draw_batches(objective, [0], range(20), workers=1)
    next(drawn)
    (worker,) = multiprocessing.active_children()

    os.kill(worker.pid, signal.SIGTERM)
    os.kill(worker.pid, signal.SIGINT)

    assert len(list(drawn)) == 19
