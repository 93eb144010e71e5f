"""Ranks are real processes here, forked from this one."""

import multiprocessing
import socket
import sys

import pytest
import torch

from specklenn.core.errors import ConfigError, DataError
from specklenn.core.training.launcher import Place
from specklenn.core.training.ranks import ALONE, LostRank, Ranks, joined
from specklenn.core.training.trainer import Trainer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def rank(pipe, place, call):
    try:
        with joined(place) as ranks:
            pipe.send(call(ranks))
    except Exception as error:
        pipe.send(error)


def on_ranks(call, number=2):
    """Return what a function gives on every rank, or the error that it raises."""
    context = multiprocessing.get_context("fork")
    port, pipes, processes = free_port(), [], []
    for n in range(number):
        ours, theirs = context.Pipe()
        place = Place(
            rank=n, number=number, local_rank=n, address="127.0.0.1", port=port
        )
        processes.append(context.Process(target=rank, args=(theirs, place, call)))
        processes[-1].start()
        theirs.close()
        pipes.append(ours)
    found = [pipe.recv() for pipe in pipes]
    for process in processes:
        process.join(10)
        process.kill()
    return found


def test_tensors_become_their_means_over_ranks():
    def call(ranks):
        matrix = torch.full((2, 3), float(ranks.rank)).T
        number = torch.tensor(10.0 * ranks.rank)
        ranks.average([matrix, number])
        return matrix.tolist(), number.item()

    assert on_ranks(call, 3) == [([[1.0, 1.0]] * 3, 10.0)] * 3


def test_texts_of_all_ranks_arrive_in_order():
    def call(ranks):
        return ranks.gather(["", "ähnlich", "no"][ranks.rank])

    assert on_ranks(call, 3) == [["", "ähnlich", "no"]] * 3


@pytest.mark.parametrize("kind", [ConfigError, DataError])
def test_a_problem_of_one_rank_is_one_of_all(kind):
    def call(ranks):
        ranks.agree(kind("a.h5: broken") if ranks.rank == 1 else None)

    found = on_ranks(call)

    assert [str(error) for error in found] == ["a.h5: broken"] * 2
    assert {type(error) for error in found} == {kind}


def test_a_rank_that_ends_does_not_keep_the_others_waiting():
    def call(ranks):
        return "gone" if ranks.rank == 1 else ranks.gather("")

    found = on_ranks(call)

    assert found[1] == "gone"
    assert isinstance(found[0], LostRank)


def test_parts_are_shared_out_evenly_or_not_at_all():
    assert [list(Ranks(rank, 3).share(6)) for rank in range(3)] == [
        [0, 1],
        [2, 3],
        [4, 5],
    ]
    assert list(ALONE.share(5)) == [0, 1, 2, 3, 4]
    with pytest.raises(ConfigError, match=r"4 scenes .* evenly among 3 ranks"):
        Ranks(0, 3).share(4)


class Plain(torch.nn.Module):
    """Without batch normalisation, the parts of a step know nothing of each other."""

    prototype_adapter = None

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(32 * 32, 8)

    def forward(self, patterns):
        values = self.layer(patterns.nan_to_num().flatten(1))
        return torch.nn.functional.normalize(values, dim=1)


def plain_trainer(settings, data, ranks):
    trainer = Trainer(settings, data, ranks)
    trainer.encoder = Plain()
    trainer.optimiser = torch.optim.SGD(trainer.encoder.parameters())
    return trainer


def test_ranks_together_make_the_step_of_one_process(few_shot, make_data):
    alone = plain_trainer(few_shot, make_data(), ALONE)
    before = alone.encoder.layer.weight.detach().clone()
    expected = alone.step()

    def call(ranks):
        trainer = plain_trainer(few_shot, make_data(), ranks)
        step = trainer.step()
        return step.loss, trainer.encoder.layer.weight.detach().numpy()

    found = on_ranks(call)

    after = alone.encoder.layer.weight.detach()
    assert float((after - before).abs().max()) > 1e-6
    for loss, weight in found:
        assert loss == pytest.approx(expected.loss, rel=1e-5)
        torch.testing.assert_close(torch.from_numpy(weight), after, atol=1e-8, rtol=0)


def test_after_some_steps_all_ranks_have_the_same_network(settings, make_data):
    settings = settings.model_copy(update={"average": 0.9})

    def call(ranks):
        trainer = Trainer(settings, make_data(), ranks)
        for _ in range(3):
            trainer.step()
        trainer.share_statistics()
        networks = trainer.encoder, trainer.average
        tensors = [t for network in networks for t in network.state_dict().values()]
        return [tensor.numpy().tobytes() for tensor in tensors]

    first, second = on_ranks(call)

    assert first == second


def test_a_loss_that_is_not_finite_on_one_rank_stops_all(few_shot, make_data):
    def call(ranks):
        trainer = plain_trainer(few_shot, make_data(), ranks)
        batch = trainer.draw(0)
        if ranks.rank == 1:
            trainer.encoder.layer.weight.data.fill_(float("nan"))
        trainer.step(batch)

    found = on_ranks(call)

    assert [type(error) for error in found] == [DataError] * 2
    assert str(found[0]) == str(found[1])
    assert "step 1: the loss is NaN" in str(found[0])


def test_a_rank_that_is_asked_to_stop_stops_all(few_shot, make_data):
    def call(ranks):
        trainer = plain_trainer(few_shot, make_data(), ranks)
        trainer.stop_asked = ranks.rank == 1
        trainer.step()
        return trainer.stopping

    assert on_ranks(call) == [True, True]
