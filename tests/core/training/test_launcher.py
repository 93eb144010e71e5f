import pytest

from specklenn.core.errors import ConfigError
from specklenn.core.training.launcher import Place, find_place

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


def test_a_process_that_nothing_launched_is_alone():
    assert find_place({}) is None


def test_a_job_of_one_is_alone():
    assert find_place({**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1"}) is None


def test_a_batch_script_before_any_srun_is_alone():
    assert find_place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) is None


def test_torchruns_variables_say_it_all():
    assert find_place(TORCHRUN) == Place(
        rank=3, number=4, local_rank=1, address="node7", port=1234
    )


def test_ranks_of_one_machine_meet_at_a_port_of_their_job():
    first = find_place({**OPEN_MPI, "OMPI_COMM_WORLD_RANK": "0"})
    second = find_place(OPEN_MPI)
    other = find_place({**OPEN_MPI, "PMIX_NAMESPACE": "job@2"})

    assert (first.rank, second.rank, second.local_rank) == (0, 1, 1)
    assert first.address == second.address == "127.0.0.1"
    assert first.port == second.port != other.port
    assert 20_000 <= first.port < 32_000


def test_ranks_of_several_machines_need_to_know_the_first():
    with pytest.raises(
        ConfigError, match=r"8 ranks on several machines .* MASTER_ADDR"
    ):
        find_place(SRUN)

    place = find_place({**SRUN, "MASTER_ADDR": "node1"})
    assert (place.rank, place.number, place.local_rank) == (5, 8, 1)
    assert place.address == "node1"
