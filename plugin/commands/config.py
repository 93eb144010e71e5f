"""``specklenn config``: check a configuration before beam, show what it means."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from specklenn.core.config.loading import LoadedConfig, check_config, resolved_yaml
from specklenn.core.config.run_config import Config
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.settings import Settings
from specklenn.core.settings_file import Document, validate
from specklenn.core.simulation.experiment import Experiment
from specklenn.plugin.commands.arguments import (
    CommandParser,
    add_config_arguments,
    read_config,
)
from specklenn.plugin.packaged_configs import names
from specklenn.plugin.say import say

if TYPE_CHECKING:
    from specklenn.core.survey.survey import RunSurvey
    from specklenn.plugin.startup import PreparedRun


def _parser() -> argparse.ArgumentParser:
    made = CommandParser(
        prog="specklenn config",
        description="Check a configuration, or show it with all its defaults: of a "
        "run, of a simulated experiment, of a training, of an adaptation.",
        epilog="Examples:\n"
        "  specklenn config check experiment.yaml\n"
        "  specklenn config show cxi\n"
        f"Packaged configurations: {', '.join(names())}.",
    )
    actions = made.add_subparsers(dest="action", required=True)
    for name, words in (
        (
            "check",
            "check every value, open data, supports and weights, and look at some "
            "hundred shots of a run of files",
        ),
        ("show", "print the configuration with every default"),
    ):
        example = f"Example: specklenn config {name} cxi --set source.path=run.cxi"
        action = actions.add_parser(name, help=words, description=words, epilog=example)
        add_config_arguments(action)
        if name == "check":
            action.add_argument(
                "--picture",
                type=Path,
                metavar="FILE",
                help="draw what was found in a run of files: mean pattern, mask, "
                "histograms of photons, lit pixels and pixel values (PNG)",
            )
    return made


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    document = read_config(options)
    model = find_model(document)
    loaded = check_config(document) if model is Config else None
    settings = loaded.settings if loaded else validate(model, document)
    if options.action == "show":
        print(resolved_yaml(settings), end="")
    elif loaded:
        _check_run(loaded, options.picture)
    elif options.picture is not None:
        raise ConfigError("--picture: the configuration of a run expected")
    elif isinstance(settings, Experiment):
        say(f"{document.source}: good: {_of_experiment(settings)}")
    else:
        say(f"{document.source}: good")
    return 0


def find_model(document: Document) -> type[Settings]:
    """Return what kind of configuration this is: the model that has most of its keys.

    Among equals, that which lacks least.
    """
    keys = set(document.data) if isinstance(document.data, dict) else set()
    if not keys or keys & {"source", "support"}:
        return Config  # at once: the others take a while to import
    from specklenn.core.finetuning.settings import Adaptation
    from specklenn.core.training.train_config import TrainingRun

    def fit(model: type[Settings]) -> tuple[int, int]:
        fields = model.model_fields
        missing = [k for k, v in fields.items() if v.is_required() and k not in keys]
        return len(keys & set(fields)), -len(missing)

    models: tuple[type[Settings], ...] = (Config, TrainingRun, Adaptation, Experiment)
    return max(models, key=fit)


def _of_experiment(experiment: Experiment) -> str:
    """Load the samples; say what is simulated."""
    from specklenn.core.simulation.simulator import ShotSimulator

    simulator = ShotSimulator(experiment)
    warnings = "".join(f"; {text}" for text in simulator.samples.check())
    shape = " x ".join(map(str, simulator.geometry.shape))
    return (
        f"{len(simulator.samples)} samples, frames of {shape} pixels, classes "
        f"{', '.join(experiment.classes)}, particles of up to "
        f"{simulator.geometry.sampled_radius_angstrom:.0f} angstrom are sampled"
        f"{warnings}"
    )


def _check_run(loaded: LoadedConfig, picture: Path | None) -> None:
    """Open everything that a run needs; say what it is, and what its shots are.

    Raises
    ------
    ConfigError
        With everything that cannot be used, or makes no sense.
    """
    from specklenn.plugin.startup import prepare_run

    if picture is not None:
        from specklenn.core.reports.plotting import require_matplotlib

        require_matplotlib()
    prepared = prepare_run(loaded)
    if picture is not None and prepared.source is None:
        raise ConfigError("--picture: a live stream has no shots before it runs")
    survey = survey_run(loaded, prepared) if prepared.source is not None else None
    problems = survey.problems() if survey else []
    found = "not good" if problems else "good"
    facts, first = prepared.facts, prepared.first
    shots = f"{facts.expected_shots} shots" if facts.expected_shots else "a live stream"
    if prepared.source is not None and not facts.expected_shots:
        shots = f"files that are followed, {len(prepared.source)} shots by now,"
    say(
        f"{loaded.document.source}: {found}: {shots} of frames {prepared.shape}, "
        f"classes {', '.join(facts.classes)}, support version {first.support_version} "
        f"({first.support_hash})"
    )
    say(facts.masked)
    for name, words in survey.lines() if survey else ():
        say(f"  {name:<10} {words}")
    for note in (
        *facts.notes,
        *prepared.support_notes,
        *(survey.warnings() if survey else ()),
    ):
        say(f"! {note}")
    if picture is not None and survey is not None:
        from specklenn.core.survey.picture import write_picture

        write_picture(picture, survey, loaded.document.source)
        say(f"wrote {picture}")
    if problems:
        sys.stdout.flush()
        raise ConfigError(*problems)


def survey_run(loaded: LoadedConfig, prepared: PreparedRun) -> RunSurvey:
    """Look at shots from all over a run of files.

    Raises
    ------
    DataError
        If none of them can be read.
    """
    from specklenn.core.data.shots import DetectorRun
    from specklenn.core.flags import Flag
    from specklenn.core.hitfinder import count_lit
    from specklenn.core.survey.run_sample import look_at
    from specklenn.core.survey.survey import RunSurvey
    from specklenn.plugin.startup import load_mask

    source = prepared.source
    assert source is not None
    classifier, hit_finding = prepared.pipeline.classifier, loaded.settings.hit_finder
    supports = classifier.supports
    masks = {
        "in the data": source.mask() if isinstance(source, DetectorRun) else None,
        "in calibration.mask_file": load_mask(loaded, prepared.shape),
        "in the supports": supports.mask,
    }
    sample = look_at(source, classifier.preprocessor, hit_finding, time.monotonic)
    if (sample.shots.flags & Flag.UNREADABLE.bits).all():
        raise DataError(
            f"{loaded.where('source')}: none of {len(sample.shots.index)} shots from "
            "all over the run can be read"
        )
    cropped = classifier.preprocessor.crop(supports.frames, supports.bad)
    return RunSurvey.of(
        sample,
        classifier.preprocessor,
        hit_finding,
        {origin: mask for origin, mask in masks.items() if mask is not None},
        cropped.total,
        count_lit(cropped.photons, hit_finding.lit_above_photons),
    )
