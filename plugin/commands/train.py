"""``specklenn train``: train an encoder on labelled datasets."""

from __future__ import annotations

import argparse
import json
import os
import traceback
from collections import deque
from collections.abc import Collection
from math import isnan
from statistics import fmean
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError, DataError, SpecklennError, sentence
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    count,
    read_config,
)
from specklenn.plugin.parallel.mpi_job import hostname
from specklenn.plugin.say import complain, say
from specklenn.plugin.signals import on_signals

if TYPE_CHECKING:
    from specklenn.core.training.ranks import RankInfo, Ranks
    from specklenn.core.training.throughput import Throughput
    from specklenn.core.training.train_config import TrainingRun
    from specklenn.core.training.trainer import Step, Trainer
    from specklenn.core.training.training_loop import TrainingLoop, ValidationReport

INTERRUPTED = 130

RECENT_STEPS = 50
"""What is shown while a training runs is the mean of as many steps."""


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core.training.ranks import find_rank

    info = find_rank(os.environ)
    if options.processes is None or options.processes == 1:
        return _as_rank(options, info)
    if info is not None:
        raise ConfigError(
            f"--processes: a launcher has started {info.number} ranks already"
        )
    from specklenn.plugin.parallel.training_ranks import run_ranks

    given = [f"--set={text}" for text in options.set]
    restart = ["--restart"] if options.restart else []
    return run_ranks(options.processes, ["train", options.config, *given, *restart])


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="specklenn train",
        description="Train an encoder; an interrupted training goes on where it was. "
        "Several processes share the work of every step.",
        epilog="Examples:\n"
        "  specklenn train my.yaml\n"
        "  specklenn train my.yaml --processes 2\n"
        "  mpirun -n 8 specklenn train my.yaml\n"
        "srun and torchrun do as well; over several machines, MASTER_ADDR names the\n"
        "host of rank 0.",
    )
    add_config_arguments(parser, "train_offline", "training.steps=100")
    parser.add_argument(
        "--restart", action="store_true", help="start anew even if a state file exists"
    )
    parser.add_argument(
        "--processes", type=count, help="on this machine; default: 1, or the ranks"
    )
    return parser


def _as_rank(options: argparse.Namespace, info: RankInfo | None) -> int:
    """Train as one of the ranks; rank 0 says what went wrong, and ends first."""
    from specklenn.core.training.ranks import joined

    with joined(info) as ranks:
        try:
            return _train(options, ranks)
        except SpecklennError as error:
            if ranks.number == 1:
                raise
            if ranks.first:  # before the others notice: a launcher ends all at once
                for line in str(error).splitlines():
                    complain(line)
            else:
                ranks.leave_last()
            return error.exit_code


def _train(options: argparse.Namespace, ranks: Ranks) -> int:
    problem: SpecklennError | None = None
    prepared: tuple[TrainingRun, Trainer, TrainingLoop] | None = None
    try:
        prepared = _prepare(options, ranks)
    except SpecklennError as error:
        problem = error
    except Exception as error:
        if ranks.number == 1:
            raise
        traceback.print_exc()
        problem = DataError(f"{hostname()}: {sentence(error)}")
    ranks.agree(problem)
    assert prepared is not None
    run, trainer, loop = prepared
    begin = trainer.steps_done
    if len({*ranks.gather(str(begin))}) > 1:
        raise DataError("training: not all ranks see the same state file")
    with on_signals(trainer.ask_to_stop):
        _show(trainer, loop) if ranks.first else _follow(loop)
    if ranks.first:
        _tell(run, trainer, begin)
    return INTERRUPTED if trainer.steps_done < trainer.last_step else 0


def _prepare(
    options: argparse.Namespace, ranks: Ranks
) -> tuple[TrainingRun, Trainer, TrainingLoop]:
    """Read everything that a training needs.

    Raises
    ------
    ConfigError, DataError
        If something is missing or does not fit.
    """
    from specklenn.core.settings_file import validate
    from specklenn.core.training.data import load_training_data
    from specklenn.core.training.from_settings import make_trainer
    from specklenn.core.training.ranks import choose_device, use_bfloat16
    from specklenn.core.training.resume import resume
    from specklenn.core.training.train_config import TrainingRun
    from specklenn.core.training.training_loop import TrainingLoop
    from specklenn.core.training.validate_model import load_validation

    run = validate(TrainingRun, read_config(options, 0 if ranks.first else 1))
    training = run.training
    device = choose_device(run.device, ranks.local_rank)
    bfloat16 = use_bfloat16(run.precision, device)
    width = run.data_bin or training.preprocess.bin
    data = load_training_data(run.data, training.classes, width)
    resuming = run.state_file.exists() and not options.restart
    trainer = make_trainer(
        training,
        data,
        start=() if resuming else run.start,
        ranks=ranks,
        device=device,
        bfloat16=bfloat16,
    )
    history = resume(run.state_file, training, trainer) if resuming else None
    sets = load_validation(
        run.validation if ranks.first else (),
        run.validation_patterns,
        training.preprocess,
        run.validation_rule,
    )
    return run, trainer, TrainingLoop(run, trainer, sets, history)


def _follow(loop: TrainingLoop) -> None:
    for _ in loop.steps():
        pass


def _show(trainer: Trainer, loop: TrainingLoop) -> None:
    """Train with the loss all the time and a line for every validation."""
    from specklenn.plugin.console.progress_bar import WorkProgress

    done, steps = trainer.steps_done, trainer.last_step
    recent: deque[Step] = deque(maxlen=RECENT_STEPS)
    with WorkProgress("training", steps, done, unit="steps") as progress:
        for step, report in loop.steps():
            recent.append(step)
            progress.advance(1, _remark(recent))
            if report is not None:
                progress.say(_line(report))
    if loop.throughput is not None:
        say(_speeds(loop, loop.throughput, trainer.ranks.number))


def _tell(run: TrainingRun, trainer: Trainer, begin: int) -> None:
    """Say what was written, and what can be done with it."""
    from specklenn.core.network import checkpoint

    if trainer.steps_done < trainer.last_step:
        say(f"stopped after step {trainer.steps_done}; the same command goes on")
        return
    if begin == trainer.last_step:
        say(
            f"{run.output}: all {begin} steps were done before; --restart starts anew, "
            "more training.steps go on"
        )
    step = json.loads(checkpoint.card_path(run.output).read_text())["scores"]["step"]
    best = "the best at the validations" if run.validation else "the last ones"
    say(f"wrote {run.output}: the weights after step {step}, {best}")
    for path in (run.log_file, run.curves_file):
        if path.exists():
            say(f"wrote {path}")
    say(
        "Measure it on labelled shots of other samples: specklenn evaluate shots.h5 "
        f"--weights {run.output}"
    )


def _remark(recent: Collection[Step]) -> str:
    """Say how the last steps went."""
    parts = [f"loss {fmean(step.loss for step in recent):.4f}"]
    share = fmean(step.semi_hard_share for step in recent)
    return ", ".join(parts if isnan(share) else [*parts, f"semi-hard {share:.2f}"])


def _speeds(loop: TrainingLoop, alone: Throughput, processes: int) -> str:
    """Say what held the training up."""
    each = "" if processes == 1 else f" in each of {processes} processes"
    return (
        f"{loop.rate:.0f} patterns/s in all; the network alone "
        f"{alone.network:.0f}, drawing alone {alone.drawing:.0f}{each}"
    )


def _line(report: ValidationReport) -> str:
    """Return a report as a line for people."""
    line = report.line
    parts = [f"step {line['step']:.0f}: loss {line['loss']:.4f}"]
    if not isnan(line["semi_hard_share"]):
        parts.append(f"semi-hard {line['semi_hard_share']:.2f}")
    result = report.validation
    for name, found in result.accuracies.items() if result else ():
        shots = ", ".join(f"{shots}: {value:.3f}" for shots, value in found.items())
        parts.append(f"{name} ({shots})")
    if result is not None:
        best = ", best" if report.best else ""
        parts.append(f"five-shot accuracy {result.score:.3f}{best}")
    parts.append(f"{line['patterns_per_second']:.0f} patterns/s")
    return "; ".join(parts)
