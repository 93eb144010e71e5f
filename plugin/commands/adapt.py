"""``specklenn adapt``: a model of this experiment from a few dozen labels."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from specklenn.plugin.commands.arguments import add_config_arguments, read_config

if TYPE_CHECKING:
    from specklenn.core.finetuning.finetune import FinetunedModel, Finetuning
    from specklenn.core.finetuning.settings import Adaptation


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
        print(f"! {note}")
    finetuning = Finetuning(adaptation, shots, checkpoint.load(adaptation.start))
    _train(finetuning, adaptation)
    finetuned = finetuning.result()
    write_model(files, adaptation, finetuning, finetuned)
    _tell(finetuning, finetuned)
    print(f"wrote {files.weights}\nwrote {files.card}\nwrote {files.supports}")
    print(
        "Use it in a run that goes on: specklenn swap "
        f"--weights {files.weights} --support {files.supports}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="specklenn adapt",
        description="Train the released model on, with labelled shots of this "
        "experiment (some 20 to 60 of each class), in about a minute on two cores. A "
        "third of the labels is held out: it says whether the tuned network is "
        "better, and makes its scores probabilities. All labels become the supports.",
        epilog="Examples: specklenn adapt adapt --set data=labelled.h5;  "
        "specklenn adapt my.yaml --set area.quadrant=0. Labels come from `specklenn "
        "label`, or from psocake.",
    )
    add_config_arguments(parser, "adapt", "data=labelled.h5")
    parser.add_argument(
        "--threads", type=int, help="of the processor; all cores by default"
    )
    return parser


def _train(finetuning: Finetuning, adaptation: Adaptation) -> None:
    from specklenn.plugin.console.progress_bar import WorkProgress

    with WorkProgress("tuning", adaptation.tuning.steps, unit="steps") as progress:
        for _ in finetuning.steps():
            progress.advance(1)


def _tell(finetuning: Finetuning, finetuned: FinetunedModel) -> None:
    """Print what came out."""
    counts = finetuning.shots.counts()
    labels = ", ".join(f"{number} {name}" for name, number in counts.items())
    print(f"{labels}; {len(finetuning.held)} held out")
    before, after, kept = finetuned.before, finetuned.after, finetuned.kept
    if before is None or after is None or kept is None:
        print("nothing held out: nobody knows whether the tuned network is better")
        return
    print(
        f"held-out accuracy {before.accuracy:.3f} before, {after.accuracy:.3f} after; "
        f"nll {before.nll:.3f} and {after.nll:.3f} nats: the "
        f"{'tuned' if finetuned.tuned else 'first'} network is kept"
    )
    print(
        f"temperature {kept.temperature:.3f}, calibration error "
        f"{kept.reliability.error:.3f}; classify.reject_above_distance="
        f"{kept.suggested_reject_above_distance:.2f} would call 5 % of such shots "
        "unknown"
    )
