"""``specklenn adapt``: a model of this experiment from a few dozen labels."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    read_config,
)
from specklenn.plugin.say import say

if TYPE_CHECKING:
    from specklenn.core.finetuning.finetune import FinetunedModel, Finetuning


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    import torch

    from specklenn.core.finetuning.finetune import Finetuning
    from specklenn.core.finetuning.labelled_shots import load_labelled_shots
    from specklenn.core.finetuning.model_files import next_version, write_model
    from specklenn.core.finetuning.settings import Adaptation
    from specklenn.core.network import checkpoint
    from specklenn.core.settings_file import validate

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    adaptation = validate(Adaptation, read_config(options))
    files = next_version(adaptation.output)
    shots = load_labelled_shots(adaptation)
    for note in shots.notes:
        say(f"! {note}")
    finetuning = Finetuning(adaptation, shots, checkpoint.load(adaptation.start))
    finetuned = _run(finetuning)
    write_model(files, adaptation, finetuning, finetuned)
    _tell(finetuning, finetuned)
    say(f"wrote {files.weights}\nwrote {files.card}\nwrote {files.supports}")
    say(
        "Use it in a run that goes on: specklenn swap "
        f"--weights {files.weights} --support {files.supports}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="specklenn adapt",
        description="Make a model of this experiment from labelled shots of its own "
        "(some 12 to 60 of each class), in about a minute on two cores. All labels "
        "train, and each is classified by models that have not seen it: that says "
        "whether the head alone reads the labels, or the network's last layers are "
        "tuned as well, or all of it; the simplest wins unless another one is better "
        "by more than chance. A kernel machine on ring features is the yardstick. All "
        "labels become the supports.",
        epilog="Examples:\n"
        "  specklenn adapt adapt --set data=labelled.h5\n"
        "  specklenn adapt my.yaml --set area.quadrant=0\n"
        "Labels come from `specklenn label`, or from psocake.",
    )
    add_config_arguments(parser, "adapt", "data=labelled.h5")
    parser.add_argument(
        "--threads", type=int, help="of the processor; all cores by default"
    )
    return parser


def _run(finetuning: Finetuning) -> FinetunedModel:
    from specklenn.plugin.console.progress_bar import WorkProgress

    with WorkProgress("tuning", finetuning.most_steps, unit="steps") as progress:
        return finetuning.run(on_step=lambda: progress.advance(1))


def _tell(finetuning: Finetuning, finetuned: FinetunedModel) -> None:
    """Print what came out."""
    from specklenn.plugin.console.tables import print_cross_fitted

    counts = finetuning.shots.counts()
    labels = ", ".join(f"{number} {name}" for name, number in counts.items())
    say(f"{labels}; each classified by models that have not seen it")
    print_cross_fitted(finetuned)
    say(f"kept: {finetuned.kept}. {'; '.join(finetuned.reasons)}")
    if finetuned.loses_to_yardstick:
        say(
            "The yardstick does better: radial profiles tell these classes apart and "
            "the model does not; more labels may help, or their names be mistaken"
        )
    limit = finetuned.result.suggested_reject_above_distance
    say(
        f"temperature {finetuned.temperature:.3f}; "
        f"classify.reject_above_distance={limit:.2f} would call 5 % of such shots "
        "unknown"
    )
