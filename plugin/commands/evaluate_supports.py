"""``specklenn evaluate FILE --supports SUPPORTS``: what a run would make of a file.

The file is opened, masked and classified by the very code of ``specklenn run``, so that
both give the same labels.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from specklenn.core.config.loading import LoadedConfig, check_config
from specklenn.core.config.overrides import overridden
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.evaluation.labelled_run import ClassifiedRun, classify_run
from specklenn.core.flags import Flag
from specklenn.core.reports.report import write_file
from specklenn.core.settings_file import Document
from specklenn.plugin.console.progress_bar import on_screen
from specklenn.plugin.console.tables import print_classified_run
from specklenn.plugin.live.far_shots import FarShots
from specklenn.plugin.say import complain, say
from specklenn.plugin.startup import PreparedRun, prepare_run

NOT_TOGETHER = ("report", "disturb", "fluence_scan", "noise", "by_size", "tsne")
"""Options of evaluations that draw their own supports."""


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that say nothing where supports are given.

    Raises
    ------
    ConfigError
        If there are some; names them.
    """
    given = [
        f"--{name.replace('_', '-')}"
        for name in NOT_TOGETHER
        if getattr(options, name) not in (None, False)
    ]
    if given:
        raise ConfigError(
            f"--supports: does not go together with {', '.join(given)}, which draw "
            "supports from the data"
        )


def run(options: argparse.Namespace) -> int:
    """Classify the file, print and write what was found; returns the exit code."""
    prepared = prepare_run(_config(options))
    if prepared.source is None:
        raise ConfigError(f"{options.data}: a file of shots expected, not a stream")
    try:
        found = classify_run(
            prepared.pipeline, prepared.source, on_screen("classifying")
        )
    except DataError as error:
        raise DataError(f"{options.data}: {error}") from error
    notes = _notes(options, prepared, found)
    for note in notes:
        complain(note, "specklenn evaluate")
    if options.json is not None:
        write_file(options.json, _json(options, prepared, found, notes).encode())
    print_classified_run(found, prepared.pipeline.classifier.rule)
    if options.json is not None:
        say(f"wrote {options.json}")
    return 0


def _config(options: argparse.Namespace) -> LoadedConfig:
    """Return the configuration of a run that these options describe."""
    data: dict[str, Any] = {
        "source": {"kind": "hdf5", "path": str(options.data)},
        "support": {"file": str(options.supports)},
        "model": {"weights": options.weights},
        "publish": {"enabled": False},
    }
    if options.rule is not None:
        data["classify"] = {"rule": options.rule}
    if options.area is not None:
        data["area"] = options.area.model_dump(mode="json", exclude_defaults=True)
    if options.mask is not None:
        data["calibration"] = {"mask_file": str(options.mask)}
    if options.fill_friedel_mates:
        data["preprocess"] = {"fill_friedel_mates": True}
    return check_config(overridden(Document(data, "the command line"), options.set))


def _notes(
    options: argparse.Namespace, prepared: PreparedRun, found: ClassifiedRun
) -> list[str]:
    far = FarShots()
    far.add(found.rows)
    supports = prepared.pipeline.classifier.supports
    own = sum(
        origin.startswith(f"{Path(options.data).name} event ")
        for origin in supports.origins
    )
    judge = [f"{own} of the supports are shots of this file, which judge themselves"]
    return [
        *prepared.facts.notes,
        *prepared.support_notes,
        *(judge if own else []),
        *far.warnings(),
    ]


def _json(
    options: argparse.Namespace,
    prepared: PreparedRun,
    found: ClassifiedRun,
    notes: list[str],
) -> str:
    classifier, version = prepared.pipeline.classifier, prepared.first
    values = {
        "accuracy": _number(found.accuracy),
        "ci95": [_number(end) for end in found.accuracy_interval],
        "accuracy_of_known": _number(found.accuracy_of_known),
        "judged": found.judged,
        "unknown": _number(found.share(Flag.REJECTED)),
        "far": _number(found.share(Flag.FAR)),
        "unsure": _number(found.share(Flag.UNSURE)),
        "confusion": found.confusion,
        "labels": found.labels.tolist(),
        "scores": [_number(score) for score in found.rows["score"].tolist()],
        "weights": options.weights,
        "sha256": version.weights_sha256,
        "rule": classifier.rule,
        "classes": classifier.classes,
        "support_version": version.support_version,
        "support_hash": version.support_hash,
        "notes": notes,
    }
    return json.dumps(values, indent=2) + "\n"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
