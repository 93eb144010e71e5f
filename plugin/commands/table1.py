"""``specklenn table1``: few labels of one experiment, whole detector and a quarter."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.errors import ConfigError
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_set_argument,
    count,
    seed,
)
from specklenn.plugin.commands.few_shot_arguments import check_folder
from specklenn.plugin.say import say

if TYPE_CHECKING:
    from specklenn.core.data.detector_area import Area
    from specklenn.core.finetuning.labelled_shots import LabelledShots
    from specklenn.core.finetuning.settings import Adaptation
    from specklenn.core.paper.table1 import Table1Method, Task

RECIPES = ("supports", "adapt", "paper", "shi")


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    check_folder("json", options.json)
    from specklenn.core.paper.table1 import measure_table1, table1_json
    from specklenn.core.reports.report import write_file
    from specklenn.plugin.console.tables import print_table1

    adaptation = _adaptation(options)
    cells = measure_table1(
        _shots(adaptation, options.quadrant),
        _methods(options, adaptation),
        draws=options.draws,
        pool=options.labels,
        seed=options.seed,
        watch=_on_screen,
    )
    print_table1(cells)
    if options.json is not None:
        write_file(options.json, table1_json(cells).encode())
        say(f"wrote {options.json}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="specklenn table1",
        description="Table 1 of the paper on any labelled dataset of one experiment: "
        "accuracy and F1 of single-hits with the whole detector and with one "
        "quadrant, by a packaged model as it is and adapted, by the paper's online "
        "training and by the network of Shi et al. (2019), each trained anew on every "
        "draw of labels.",
        epilog="Example:\n"
        "  specklenn simulate simulate_virus -o virus.h5 --per-class 500\n"
        "  specklenn table1 virus.h5\n"
        "About 2 minutes a draw on one core.",
    )
    parser.add_argument("data", type=Path, help="labelled dataset, HDF5")
    parser.add_argument("--model", default="default", help="to start from")
    parser.add_argument(
        "--labels",
        type=count,
        default=60,
        help="of each class; a third of them validates (the paper: 40 and 20)",
    )
    parser.add_argument("--draws", type=count, default=5, help="draws of labels")
    parser.add_argument(
        "--quadrant",
        type=int,
        choices=range(4),
        default=0,
        help="that is left of the detector: 0 upper left, 1 upper right, 2 lower left, "
        "3 lower right",
    )
    parser.add_argument(
        "--recipes",
        type=lambda text: tuple(text.split(",")),
        default=RECIPES,
        help=f"rows of the table; default: {','.join(RECIPES)}",
    )
    parser.add_argument(
        "--steps", type=count, help="of every training, instead of its own number"
    )
    parser.add_argument("--seed", type=seed, default=0, help="of the draws; default: 0")
    parser.add_argument("--json", type=Path, help="file for the figures")
    add_set_argument(parser, "calibration.mask_file=m.h5, with the keys of `adapt`")
    return parser


def _adaptation(options: argparse.Namespace) -> Adaptation:
    """Return how models are adapted, and what shots to read for all rows."""
    from specklenn.core.config.overrides import overridden
    from specklenn.core.finetuning.settings import Adaptation
    from specklenn.core.settings_file import Document, validate

    given: dict[str, object] = {"data": str(options.data), "start": options.model}
    if options.steps is not None:
        given["tuning"] = {"steps": options.steps}
    return validate(
        Adaptation, overridden(Document(given, "the command line"), options.set)
    )


def _shots(adaptation: Adaptation, quadrant: int) -> dict[Area, LabelledShots]:
    """Return the shots with the masks of both areas."""
    from specklenn.core.data.detector_area import Area
    from specklenn.core.finetuning.labelled_shots import load_labelled_shots

    areas = (adaptation.area, Area.model_validate({"quadrant": quadrant}))
    return {
        area: load_labelled_shots(adaptation.model_copy(update={"area": area}))
        for area in areas
    }


def _methods(options: argparse.Namespace, adaptation: Adaptation) -> list[Table1Method]:
    from specklenn.core.network import checkpoint
    from specklenn.core.paper.table1_methods import (
        AdaptedModel,
        PaperOnline,
        ShiOnline,
        Untrained,
    )

    unknown = sorted({*options.recipes} - {*RECIPES})
    if unknown:
        raise ConfigError(
            f"--recipes: {', '.join(unknown)} found, some of {', '.join(RECIPES)} "
            "expected"
        )
    model = checkpoint.load(adaptation.start)
    labels = options.labels
    changed = {} if options.steps is None else {"steps": options.steps}
    made: dict[str, Table1Method] = {
        "supports": Untrained(model=model),
        "adapt": AdaptedModel(model=model, adaptation=adaptation, labels=labels),
        "paper": PaperOnline(labels=labels, **changed),
        "shi": ShiOnline(labels=labels, **changed),
    }
    return [made[name] for name in options.recipes]


def _on_screen(tasks: Sequence[Task]) -> Iterator[Task]:
    """Go through the tasks and show how far it has come."""
    from specklenn.plugin.console.progress_bar import WorkProgress

    with WorkProgress("table", len(tasks), unit="trainings") as progress:
        for task in tasks:
            yield task
            progress.advance(1)
