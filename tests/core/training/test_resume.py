import pytest
import torch
from safetensors.torch import load_file, save_file

from specklenn.core.errors import DataError
from specklenn.core.training.resume import resume, save_state
from specklenn.core.training.trainer import Trainer


@pytest.fixture
def averaged(settings):
    return settings.model_copy(
        update={"optimiser": "adamw", "weight_decay": 0.01, "average": 0.9}
    )


def test_a_resumed_training_is_the_same_training_bit_for_bit(
    averaged, make_data, tmp_path
):
    straight = Trainer(averaged, make_data())
    expected = [straight.step() for _ in range(6)]
    first = Trainer(averaged, make_data())
    for _ in range(3):
        first.step()
    first.record({"step": 3.0, "score": 0.5})
    save_state(first, tmp_path / "half")

    second = Trainer(averaged, make_data())
    resume(second, tmp_path / "half")
    found = [second.step() for _ in range(3)]

    assert [step.loss for step in found] == [step.loss for step in expected[3:]]
    assert second.history == [{"step": 3.0, "score": 0.5}]
    assert second.best == 0.5
    assert len(second.recent) == 3
    save_state(straight, tmp_path / "a")
    save_state(second, tmp_path / "b")
    one, other = load_file(tmp_path / "a"), load_file(tmp_path / "b")
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
    save_state(Trainer(triplets, make_data()), state)
    other = Trainer(triplets.model_copy(update=change), make_data())

    with pytest.raises(DataError, match=words):
        resume(other, state)


def test_a_file_that_is_no_state_is_refused(few_shot, make_data, tmp_path):
    trainer = Trainer(few_shot, make_data())
    (tmp_path / "broken").write_bytes(b"nothing")
    save_file({"x": torch.zeros(1)}, tmp_path / "weights.safetensors")

    for name in ("broken", "weights.safetensors", "missing"):
        with pytest.raises(DataError, match="not a training state"):
            resume(trainer, tmp_path / name)


def test_a_state_that_cannot_be_written_leaves_the_older_one(
    few_shot, make_data, tmp_path, monkeypatch
):
    trainer = Trainer(few_shot, make_data())
    state = tmp_path / "state.safetensors"
    save_state(trainer, state)
    before = state.read_bytes()
    tmp_path.joinpath("state.safetensors.part").mkdir()

    with pytest.raises(DataError, match=r"state.safetensors: cannot be written: "):
        save_state(trainer, state)

    assert state.read_bytes() == before
