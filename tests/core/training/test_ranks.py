"""Ranks are real processes here, forked from this one."""

import multiprocessing
import socket
import sys

import pytest
import torch

from specklenn.core.errors import ConfigError, DataError
from specklenn.core.training.from_settings import make_objective, make_trainer
from specklenn.core.training.ranks import (
    ALONE,
    LostRank,
    RankInfo,
    Ranks,
    choose_device,
    find_rank,
    joined,
    use_bfloat16,
)
from specklenn.core.training.trainer import Trainer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks")

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no card here")

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node7",
    "MASTER_PORT": "1234",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "PMIX_NAMESPACE": "job@1",
}
SRUN = {
    "SLURM_PROCID": "5",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_LOCALID": "1",
    "SLURM_JOB_ID": "77",
}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def rank(pipe, info, call):
    try:
        with joined(info) as ranks:
            pipe.send(call(ranks))
    except Exception as error:
        pipe.send(error)


def on_ranks(call, number=2):
    """Return what a function gives on every rank, or the error that it raises."""
    context = multiprocessing.get_context("fork")
    port, pipes, processes = free_port(), [], []
    for n in range(number):
        ours, theirs = context.Pipe()
        info = RankInfo(
            rank=n, number=number, local_rank=n, address="127.0.0.1", port=port
        )
        processes.append(context.Process(target=rank, args=(theirs, info, call)))
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

    assert [str(error) for error in found] == ["rank 1: a.h5: broken"] * 2
    assert {type(error) for error in found} == {kind}


def test_a_problem_of_all_ranks_names_none():
    found = on_ranks(lambda ranks: ranks.agree(DataError("a.h5: broken")))

    assert [str(error) for error in found] == ["a.h5: broken"] * 2


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
    with pytest.raises(ConfigError, match=r"4 episodes .* evenly among 3 ranks"):
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


def plain_trainer(settings, data, ranks, network=None):
    network = network or Plain()
    optimiser = torch.optim.SGD(network.parameters())
    objective = make_objective(settings, data)
    return Trainer(network, objective, optimiser, lambda _: 1e-3, 9, ranks=ranks)


def test_ranks_together_make_the_step_of_one_process(few_shot, make_data):
    before = Plain().layer.weight.detach()
    alone = plain_trainer(few_shot, make_data(), ALONE)
    expected = alone.step()

    def call(ranks):
        trainer = plain_trainer(few_shot, make_data(), ranks)
        step = trainer.step()
        return step.loss, trainer.trained().layer.weight.detach().numpy()

    found = on_ranks(call)

    after = alone.trained().layer.weight.detach()
    assert float((after - before).abs().max()) > 1e-6
    for loss, weight in found:
        assert loss == pytest.approx(expected.loss, rel=1e-5)
        torch.testing.assert_close(torch.from_numpy(weight), after, atol=1e-8, rtol=0)


def test_after_some_steps_all_ranks_have_the_same_network(settings, make_data):
    settings = settings.model_copy(update={"average": 0.9})

    def call(ranks):
        trainer = make_trainer(settings, make_data(), ranks=ranks)
        for _ in range(3):
            trainer.step()
        trainer.average_statistics()
        return {
            name: value.numpy().tobytes() for name, value in trainer.state().items()
        }

    first, second = on_ranks(call)

    assert first == second


def test_a_loss_that_is_not_finite_on_one_rank_stops_all(few_shot, make_data):
    def call(ranks):
        network = Plain()
        if ranks.rank == 1:
            network.layer.weight.data.fill_(float("nan"))
        plain_trainer(few_shot, make_data(), ranks, network).step()

    found = on_ranks(call)

    assert [type(error) for error in found] == [DataError] * 2
    assert str(found[0]) == str(found[1])
    assert "step 1: the loss is NaN" in str(found[0])


def test_a_rank_that_is_asked_to_stop_stops_all(few_shot, make_data):
    def call(ranks):
        trainer = plain_trainer(few_shot, make_data(), ranks)
        if ranks.rank == 1:
            trainer.ask_to_stop()
        return trainer.step().stopping

    assert on_ranks(call) == [True, True]


def test_a_process_that_nothing_launched_is_alone():
    assert find_rank({}) is None


def test_a_job_of_one_is_alone():
    assert find_rank({**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1"}) is None


def test_a_batch_script_before_any_srun_is_alone():
    assert find_rank({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) is None


def test_torchruns_variables_say_it_all():
    assert find_rank(TORCHRUN) == RankInfo(
        rank=3, number=4, local_rank=1, address="node7", port=1234
    )


def test_ranks_of_one_machine_meet_at_a_port_of_their_job():
    first = find_rank({**OPEN_MPI, "OMPI_COMM_WORLD_RANK": "0"})
    second = find_rank(OPEN_MPI)
    other = find_rank({**OPEN_MPI, "PMIX_NAMESPACE": "job@2"})

    assert (first.rank, second.rank, second.local_rank) == (0, 1, 1)
    assert first.address == second.address == "127.0.0.1"
    assert first.port == second.port != other.port
    assert 20_000 <= first.port < 32_000


def test_ranks_of_several_machines_need_to_know_the_first():
    with pytest.raises(
        ConfigError, match=r"8 ranks on several machines .* MASTER_ADDR"
    ):
        find_rank(SRUN)

    found = find_rank({**SRUN, "MASTER_ADDR": "node1"})
    assert (found.rank, found.number, found.local_rank) == (5, 8, 1)
    assert found.address == "node1"


def test_the_cpu_can_always_be_asked_for():
    assert choose_device("cpu", local_rank=7) == CPU


@no_card
def test_without_a_card_the_cpu_is_taken_or_its_lack_is_said():
    assert choose_device("auto") == CPU
    with pytest.raises(ConfigError, match=r"device: cuda, but PyTorch .* finds 0 gra"):
        choose_device("cuda")


@card
def test_with_a_card_it_is_taken():
    assert choose_device("auto") == choose_device("cuda") == CARD


def test_precision_is_what_is_asked_for_and_full_on_a_cpu():
    assert use_bfloat16("bfloat16", CPU)
    assert not use_bfloat16("float32", CARD)
    assert not use_bfloat16("auto", CPU)
