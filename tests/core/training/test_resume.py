import pytest
import torch
from safetensors.torch import save_file

from specklenn.core.errors import DataError
from specklenn.core.training.from_settings import make_trainer
from specklenn.core.training.history import History
from specklenn.core.training.resume import resume, save_state


@pytest.fixture
def averaged(settings):
    return settings.model_copy(
        update={"optimiser": "adamw", "weight_decay": 0.01, "average": 0.9}
    )


def test_a_resumed_training_is_the_same_training_bit_for_bit(
    averaged, make_data, tmp_path
):
    straight = make_trainer(averaged, make_data())
    expected = [straight.step() for _ in range(6)]
    first, history = make_trainer(averaged, make_data()), History()
    for step in (first.step(), first.step()):
        history.add(step, 7.5)
    history.record({"step": 2.0, "score": 0.5})
    history.add(first.step(), 8.5)
    save_state(tmp_path / "half", averaged, first, history)

    second = make_trainer(averaged, make_data())
    resumed = resume(tmp_path / "half", averaged, second)
    found = [second.step() for _ in range(3)]

    assert [step.loss for step in found] == [step.loss for step in expected[3:]]
    assert resumed.state() == history.state()
    assert resumed.lines == [{"step": 2.0, "score": 0.5}]
    assert resumed.means()["loss"] == expected[2].loss
    one, other = straight.state(), second.state()
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": 0.5}, r"training.margin: 0.02 there, 0.5 here"),
        ({"embedding_size": 8}, r"training.embedding_size: 16 there, 8 here"),
        ({"network": "compact-3"}, r"training.network: specklenn-2023 there, compact"),
    ],
)
def test_a_state_of_another_training_is_refused(
    triplets, make_data, tmp_path, change, words
):
    state = tmp_path / "state.safetensors"
    save_state(state, triplets, make_trainer(triplets, make_data()), History())
    changed = triplets.model_copy(update=change)
    other = make_trainer(changed, make_data())

    with pytest.raises(DataError, match=words):
        resume(state, changed, other)


def test_a_file_that_is_no_state_is_refused(few_shot, make_data, tmp_path):
    trainer = make_trainer(few_shot, make_data())
    (tmp_path / "broken").write_bytes(b"nothing")
    save_file({"x": torch.zeros(1)}, tmp_path / "weights.safetensors")

    for name in ("broken", "weights.safetensors", "missing"):
        with pytest.raises(DataError, match="not a training state"):
            resume(tmp_path / name, few_shot, trainer)


def test_a_state_of_the_version_before_is_refused(few_shot, make_data, tmp_path):
    before = {"settings": few_shot.model_dump_json(), "steps_done": "3", "recent": "[]"}
    save_file({"x": torch.zeros(1)}, tmp_path / "state", metadata=before)

    with pytest.raises(DataError, match=r"of this version; --restart starts anew"):
        resume(tmp_path / "state", few_shot, make_trainer(few_shot, make_data()))


def test_a_state_that_cannot_be_written_leaves_the_older_one(
    few_shot, make_data, tmp_path
):
    trainer = make_trainer(few_shot, make_data())
    state = tmp_path / "state.safetensors"
    save_state(state, few_shot, trainer, History())
    before = state.read_bytes()
    tmp_path.joinpath("state.safetensors.part").mkdir()

    with pytest.raises(DataError, match=r"state.safetensors: cannot be written: "):
        save_state(state, few_shot, trainer, History())

    assert state.read_bytes() == before
