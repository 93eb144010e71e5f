"""``specklenn train``: train an encoder on labelled datasets."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from specklenn.core.training.run import TrainingRun
    from specklenn.core.training.trainer import Step, Trainer


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    from specklenn.core.training.data import load_training_data
    from specklenn.core.training.run import TrainingRun
    from specklenn.core.training.state import resume
    from specklenn.core.training.trainer import Trainer
    from specklenn.core.validation import validate
    from specklenn.core.yaml_lines import read_yaml

    run = validate(TrainingRun, read_yaml(options.config))
    run = run.located(options.config.parent)
    training = run.training
    data = load_training_data(run.data, training.classes, training.preprocess.bin)
    trainer = Trainer(training, data)
    if run.state_file.exists() and not options.restart:
        resume(trainer, run.state_file)
    _train(trainer, run)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn train",
        description="Train an encoder; an interrupted training goes on where it was.",
    )
    parser.add_argument("config", type=Path, help="training run, a YAML file")
    parser.add_argument(
        "--restart", action="store_true", help="start anew even if a state file exists"
    )
    return parser


def _train(trainer: Trainer, run: TrainingRun) -> None:
    from rich.progress import MofNCompleteColumn, Progress

    validation = run.load_validation()
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(
            "training", total=run.training.steps, completed=trainer.steps_done
        )
        while trainer.steps_done < run.training.steps:
            step = trainer.step()
            progress.advance(task)
            due = step.step % run.validate_every == 0
            if due or step.step == run.training.steps:
                progress.console.print(_checkpoint(trainer, run, step, validation))


def _checkpoint(trainer: Trainer, run: TrainingRun, step: Step, validation: Any) -> str:
    """Validate, keep the best weights and the state; returns a line for people."""
    from specklenn.core.training.state import save_state

    accuracy = trainer.validate(*validation) if validation else None
    best = trainer.record(step, accuracy)
    if best or validation is None:
        run.save_weights(trainer, step.step, accuracy)
    save_state(trainer, run.state_file)
    hard = step.semi_hard_share
    share = "" if math.isnan(hard) else f", semi-hard {hard:.2f}"
    score = "" if accuracy is None else f", five-shot accuracy {accuracy:.3f}"
    kept = " (best)" if best else ""
    return f"step {step.step}: loss {step.loss:.4f}{share}{score}{kept}"
