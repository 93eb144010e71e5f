"""``specklenn train`` as a user starts it: real processes, real MPI, real signals."""

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.network import checkpoint

pytestmark = pytest.mark.slow

KINDS = ("single-hit", "multi-hit", "non-sample-hit")

TRAINING = """\
data: [a.h5]
validation: v.h5
validate_every: 5
output: {name}/m.safetensors
training:
  network: compact-3
  preprocess: {{crop: 32, bin: 1, standardise: false}}
  episodes: {{per_step: 2, patterns_per_class: 4}}
  embedding_size: 16
  learning_rate: 2.e-3
  steps: {steps}
"""

LONG = 5000
"""Steps of a training that is stopped long before its end."""

FULL_DISK = """
disk=$1 copy=$2; shift 2
mount -t tmpfs -o size=9m none "$disk" || exit 77
"$@"; code=$?
cp "$disk"/* "$copy"
exit $code
"""


def write(path, samples, each, noise):
    """Round blobs; the same with fringes; streaks."""
    random, axis = np.random.default_rng(len(samples)), np.arange(44) - 21.5
    patterns = []
    for sample in samples:
        blob = 8 * np.exp(-(axis[:, None] ** 2 + axis**2) / (60 + 15 * sample))
        streak = 8 * np.exp(-(axis[:, None] ** 2) / 8) * np.ones(44)
        for kind in KINDS:
            for phase in random.uniform(0, 6, each):
                waves = blob * (1 + np.cos(axis * (1.2 + 0.1 * sample) + phase))
                shown = dict(zip(KINDS, (blob, waves, streak), strict=True))[kind]
                patterns.append(random.poisson(shown) if noise else shown)
    labels = np.tile(np.repeat(KINDS, each), len(samples))
    names = np.repeat([f"s{sample}" for sample in samples], 3 * each)
    write_dataset(path, np.array(patterns, np.float32), labels=labels, names=names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("training")
    write(path / "a.h5", range(4), 12, noise=False)
    write(path / "v.h5", range(4, 8), 20, noise=True)
    return path


@pytest.fixture(scope="module")
def configured(folder):
    """Write a training with a name of its own; returns its YAML file."""

    def write_config(name, steps=20):
        path = folder / f"{name}.yaml"
        path.write_text(TRAINING.format(name=name, steps=steps))
        return path

    return write_config


@pytest.fixture(scope="module")
def alone(command, configured, folder):
    """A training by one process that nothing disturbed: its folder."""
    done = command("train", configured("alone"))
    assert (done.returncode, done.stderr) == (0, "")
    weights = folder / "alone/m.safetensors"
    step = json.loads(checkpoint.card_path(weights).read_text())["scores"]["step"]
    assert f"wrote {weights}: the weights after step {step}, the best" in done.stdout
    assert f"wrote {folder}/alone/m.log.csv" in done.stdout
    assert done.stdout.endswith(f"evaluate shots.h5 --weights {weights}\n")
    return folder / "alone"


@pytest.fixture(scope="module")
def two(command, configured):
    """The same training by two processes: the finished command."""
    return command("train", configured("two"), "--processes", 2)


def log_of(folder):
    with (folder / "m.log.csv").open(newline="") as file:
        return [
            {name: float(text or "nan") for name, text in line.items()}
            for line in csv.DictReader(file)
        ]


def losses_of(folder):
    return [line["loss"] for line in log_of(folder)]


def await_step(folder, process, limit_s=120):
    """Wait until a training has validated once."""
    ends = time.monotonic() + limit_s
    while not (folder / "m.state.safetensors").exists():
        assert process.poll() is None
        assert time.monotonic() < ends
        time.sleep(0.1)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def test_two_processes_train_as_well_as_one(folder, alone, two):
    assert (two.returncode, two.stderr) == (0, "")
    assert two.stdout.count("step 20: loss") == 1
    assert "in each of 2 processes" in two.stdout
    expected, found = log_of(alone), log_of(folder / "two")
    assert [line["step"] for line in found] == [5, 10, 15, 20]
    assert expected[-1]["score"] > 0.8
    assert found[-1]["score"] == pytest.approx(expected[-1]["score"], abs=0.1)
    # The same patterns, but batch normalisation sees those of one rank at a time.
    assert losses_of(folder / "two") == pytest.approx(losses_of(alone), rel=0.3)
    model = checkpoint.load(folder / "two" / "m.safetensors")
    assert model.card.scores["validation"]["five_shot_accuracy"] > 0.8


@pytest.mark.mpi
def test_ranks_of_mpirun_train_as_processes_do(command, configured, folder, two):
    done = command("train", configured("mpi"), ranks=2)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("step 20: loss") == 1
    expected = losses_of(folder / "two")
    assert losses_of(folder / "mpi") == pytest.approx(expected, rel=1e-2)


def test_ranks_of_torchrun_train_as_processes_do(command, configured, folder, two):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher = [*torchrun, "--nproc-per-node", "2", "--no-python"]

    done = command("train", configured("torchrun"), launcher=launcher)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 20: loss") == 1
    expected = losses_of(folder / "two")
    assert losses_of(folder / "torchrun") == pytest.approx(expected, rel=1e-2)


@pytest.mark.mpi
def test_ranks_that_cannot_share_a_step_evenly_say_so_once(command, configured):
    done = command("train", configured("three"), ranks=3)

    assert done.returncode != 0
    said = "2 episodes or samples in a step cannot be shared out evenly among 3 ranks"
    assert done.stderr.count(said) == 1


BROKEN = """\
import os, sys
from specklenn.plugin import cli
from specklenn.plugin.commands import train

def broken(*_):
    raise RuntimeError("no memory left")

if os.environ["OMPI_COMM_WORLD_RANK"] == "1":
    train._prepare = broken
del sys.argv[0]  # behind it `specklenn` is named, which is not called
sys.exit(cli.main())
"""


@pytest.mark.mpi
def test_a_rank_that_fails_alone_is_named_and_all_end(command, configured, tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    mpirun = str(Path(sys.executable).parent / "mpirun")
    launcher = [mpirun, "-n", "2", sys.executable, str(tmp_path / "broken.py")]

    done = command("train", configured("broken"), launcher=launcher)

    assert done.returncode == 1
    assert "specklenn: error: rank 1: " in done.stderr
    assert ": RuntimeError: no memory left" in done.stderr


def test_an_interrupted_training_goes_on_bit_for_bit(
    command, configured, folder, alone
):
    config, target = configured("interrupted"), folder / "interrupted"
    process = command("train", config, start=True, stdout=-1)
    await_step(target, process)
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the same command goes on" in told
    assert command("train", config).returncode == 0
    one = load_file(target / "m.state.safetensors")
    other = load_file(alone / "m.state.safetensors")
    assert [name for name in other if not torch.equal(one[name], other[name])] == []
    assert losses_of(target) == losses_of(alone)


def test_terminated_processes_save_and_end_together(command, configured, folder):
    process = command(
        "train", configured("both", LONG), "--processes", 2, start=True, stdout=-1
    )
    await_step(folder / "both", process)

    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert told.count("the same command goes on") == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_whole_training(command, configured, folder, rank):
    name = f"killed-{rank}"
    words = ("train", configured(name, LONG), "--processes", 2)
    process = command(*words, start=True, stdout=-1, stderr=-1)
    await_step(folder / name, process)

    os.kill(sorted(children_of(process.pid))[rank], signal.SIGKILL)
    _, told = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"rank {rank} was killed: SIGKILL" in told
    assert "Traceback" not in told


def test_a_full_disk_leaves_what_was_saved(command, configured, folder, tmp_path):
    disk = folder / "full"
    disk.mkdir()
    unshare = ["unshare", "-rm", "sh", "-c", FULL_DISK, "sh", str(disk), str(tmp_path)]
    try:
        done = command("train", configured("full", LONG), launcher=unshare)
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip("users may not mount here")

    assert done.returncode == 1
    assert done.stderr == (
        f"specklenn: error: {disk}/m.state.safetensors: cannot be written: no space "
        "left on the device\n"
    )
    with safe_open(tmp_path / "m.state.safetensors", "pt") as state:
        assert int(state.get_tensor("steps_done")) == 5
    assert checkpoint.load(tmp_path / "m.safetensors").card.scores["step"] in (5, 10)
    assert not list(tmp_path.glob("*.part"))
