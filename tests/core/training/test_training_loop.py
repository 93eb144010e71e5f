import csv

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from specklenn.core.errors import DataError
from specklenn.core.network import checkpoint
from specklenn.core.training.from_settings import make_objective, make_trainer
from specklenn.core.training.resume import resume
from specklenn.core.training.train_config import TrainingRun
from specklenn.core.training.training_loop import TrainingLoop
from specklenn.core.training.validate_model import ValidationSet

TIMES = ("patterns_per_second", "network_patterns_per_second", "seconds")


@pytest.fixture(scope="module")
def validation(few_shot, make_data):
    """Patterns of the training data themselves, as the objective shows them."""
    data = make_data()
    objective = make_objective(few_shot, data)
    batches = [objective.draw(step, [0, 1]) for step in (100, 101)]
    rows = torch.cat([batch.rows for batch in batches])
    return ValidationSet(
        name="seen",
        inputs=torch.cat([batch.inputs[:, 0] for batch in batches]).numpy(),
        labels=np.array(data.classes)[data.labels[rows].numpy()],
        names=data.samples[rows].numpy().astype(str),
        classes=("single-hit", "multi-hit"),
        rule="prototype",
    )


@pytest.fixture(scope="module")
def start(few_shot, make_data, validation):
    """Make a loop of 7 steps, validated every 3; resumed if there is a state."""

    def begin(folder, **changes):
        run = TrainingRun(
            data=["nowhere.h5"],
            output=folder / "m.safetensors",
            validate_every=3,
            validation_rule="prototype",
            training=few_shot.model_copy(update={"steps": 7, "average": 0.5}),
        ).model_copy(update=changes)
        trainer = make_trainer(run.training, make_data())
        resuming = run.state_file.exists()
        history = resume(run.state_file, run.training, trainer) if resuming else None
        return run, trainer, TrainingLoop(run, trainer, [validation], history)

    return begin


@pytest.fixture(scope="module")
def finished(start, tmp_path_factory):
    run, _, loop = start(tmp_path_factory.mktemp("finished"))
    return run, list(loop.steps())


def stop_after(number, trainer, loop):
    """Ask a training to stop when it has made some steps; it makes one more."""
    for step, _ in loop.steps():
        if step.step == number:
            trainer.ask_to_stop()


def log_of(run):
    with run.log_file.open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(lines):
    return [{k: v for k, v in line.items() if not k.endswith(TIMES)} for line in lines]


def differences(run, other):
    """Name the tensors that differ in two states."""
    one, two = load_file(run.state_file), load_file(other.state_file)
    return [name for name in one | two if not torch.equal(one[name], two[name])]


def test_a_training_validates_now_and_then_and_after_the_last_step(finished):
    run, told = finished

    assert [step.step for step, _ in told] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.step for step, report in told if report] == [3, 6, 7]
    assert [line["step"] for line in log_of(run)] == ["3", "6", "7"]


def test_the_log_has_the_figures_of_the_reports(finished):
    run, told = finished
    step, report = told[5]

    line = {name: float(text or "nan") for name, text in log_of(run)[1].items()}

    losses = [step.loss for step, _ in told[3:6]]
    assert line["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert line["learning_rate"] == pytest.approx(step.learning_rate, rel=1e-5)
    assert line["score"] == pytest.approx(report.validation.score, rel=1e-5)
    assert line["seen_5_shot"] == line["score"]
    assert 0 <= line["seen_1_shot"] <= 1
    assert np.isnan(line["seen_20_shot"])
    assert np.isnan(line["semi_hard_share"])
    assert min(line[name] for name in TIMES) > 0


def test_the_weights_are_those_of_the_best_validation(finished, validation):
    run, told = finished
    reports = [report for _, report in told if report]
    scores = [report.validation.score for report in reports]

    model = checkpoint.load(run.output)

    best = [report.line["step"] for report in reports if report.best][-1]
    assert model.card.scores["step"] == best
    assert model.card.scores["validation"]["five_shot_accuracy"] == max(scores)
    assert model.rule == "prototype"
    found, temperature = validation.validate(model.encoder)
    assert model.temperature == pytest.approx(temperature, rel=0.06)
    assert found[5] == pytest.approx(max(scores), abs=0.03)  # half precision


def test_the_log_is_drawn(finished):
    pytest.importorskip("matplotlib")
    run, _ = finished

    assert run.curves_file.read_bytes().startswith(b"\x89PNG")


def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(
    start, finished, tmp_path
):
    run, first, loop = start(tmp_path)
    stop_after(3, first, loop)
    assert first.steps_done == 4
    _, second, loop = start(tmp_path)
    list(loop.steps())

    assert second.steps_done == 7
    assert without_times(log_of(run)) == without_times(log_of(finished[0]))
    assert differences(run, finished[0]) == []


def test_background_drawing_changes_no_bit_of_a_training(start, finished, tmp_path):
    run, _, loop = start(tmp_path, workers=2)

    list(loop.steps())

    assert differences(run, finished[0]) == []


def test_lines_behind_the_resumed_step_are_cut_off(start, tmp_path):
    run, trainer, loop = start(tmp_path)
    stop_after(3, trainer, loop)
    with run.log_file.open("a") as file:
        file.write("6,0.1\n")

    _, trainer, loop = start(tmp_path)
    stop_after(5, trainer, loop)

    assert [line["step"] for line in log_of(run)] == ["3", "6"]
    assert log_of(run)[1]["loss"] != "0.1"


def break_after(step, trainer, loop):
    for done, _ in loop.steps():
        if done.step == step:
            broken = trainer.state()
            broken["network.embedding.weight"].fill_(float("nan"))
            trainer.load_state(broken)


def test_a_loss_that_is_not_finite_leaves_what_was_good(start, tmp_path):
    run, trainer, loop = start(tmp_path)

    with pytest.raises(DataError, match=r"step 5: .*sample \d.* of [ab].h5"):
        break_after(4, trainer, loop)

    assert all(value.isfinite().all() for value in load_file(run.state_file).values())
    assert [line["step"] for line in log_of(run)] == ["3"]
    assert checkpoint.load(run.output).card.scores["step"] == 3
    assert start(tmp_path)[1].steps_done == 3


def test_without_validation_the_last_weights_are_kept(start, tmp_path):
    run, trainer, _ = start(tmp_path)

    reports = [report for _, report in TrainingLoop(run, trainer, []).steps() if report]

    assert [report.best for report in reports] == [True, True, True]
    assert checkpoint.load(run.output).card.scores == {"step": 7}
