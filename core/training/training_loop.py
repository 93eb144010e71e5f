"""The course of a training: steps, now and then a validation, and what is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import TEMPERATURE, Card
from specklenn.core.network.registry import Network
from specklenn.core.training.curves import draw_curves
from specklenn.core.training.history import Line, Log, accuracy, columns
from specklenn.core.training.prefetch import draw_batches
from specklenn.core.training.resume import save_state
from specklenn.core.training.speed import Throughput, ThroughputMeter, measure_speed
from specklenn.core.training.train_config import TrainingRun
from specklenn.core.training.trainer import Step, Trainer
from specklenn.core.training.validate_model import (
    ValidationResult,
    ValidationSet,
    compute_loss,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """What came out since the last report.

    Parameters
    ----------
    line : dict of str to float
        Figures as in the log.
    verdict : ValidationResult or None
        None without validation.
    best : bool
        Whether the weights were kept.
    """

    line: Line
    verdict: ValidationResult | None
    best: bool


class TrainingLoop:
    """One training from where it stands to its end.

    Rank 0 validates, saves and logs; the others only step along.

    Parameters
    ----------
    run : TrainingRun
    trainer : Trainer
    sets : sequence of ValidationSet
        Empty for ranks that do not validate.

    Attributes
    ----------
    meter : ThroughputMeter
    speed : Throughput or None
        Measured by rank 0 at the start.
    """

    def __init__(
        self, run: TrainingRun, trainer: Trainer, sets: Sequence[ValidationSet]
    ) -> None:
        self._run = run
        self._trainer = trainer
        self._sets = sets
        self._names = [one.name for one in sets]
        self._log = Log(run.log_file, columns(self._names))
        self.meter = ThroughputMeter()
        self.speed: Throughput | None = None
        self._born = time.monotonic()

    def steps(self) -> Iterator[tuple[Step, Report | None]]:
        """Train; gives every step, and a report with those that were validated.

        Ends after the last step, or one step after it was asked to stop; the state
        is saved then.

        Raises
        ------
        DataError
            If a loss is not finite or a file cannot be written. What was saved
            before stays.
        """
        trainer, run = self._trainer, self._run
        steps = range(trainer.steps_done, run.training.steps)
        if trainer.ranks.first and steps:
            self._log.rewrite(trainer.history)
            self.speed = measure_speed(trainer)
        self._born = time.monotonic() - trainer.seconds
        self.meter.start()
        for batch in draw_batches(trainer.objective, trainer.parts, steps, run.workers):
            step = trainer.step(batch)
            self.meter.add(step.patterns)
            yield step, self._after(step)
            if trainer.stopping:
                return

    def _after(self, step: Step) -> Report | None:
        """Validate and save if it is time, or if the training is to stop."""
        trainer, due = self._trainer, self._due(step)
        if not due and not trainer.stopping:
            return None
        rate = self.meter.end()
        trainer.share_statistics()
        trainer.seconds = time.monotonic() - self._born
        report = None
        if trainer.ranks.first:
            report = self._report(rate) if due else None
            save_state(trainer, self._run.state_file)
        if due:
            trainer.recent.clear()
        self.meter.start()
        return report

    def _due(self, step: Step) -> bool:
        every = self._run.validate_every
        return step.step % every == 0 or step.step == self._run.training.steps

    def _report(self, rate: float) -> Report:
        """Validate; keep the weights if they are the best, and the figures."""
        trainer, network = self._trainer, self._trainer.trained()
        verdict = compute_loss(network, self._sets) if self._sets else None
        line = trainer.summary() | self._rates(rate) | _scores(verdict)
        line["seconds"] = trainer.seconds
        best = trainer.record(line)
        if best:
            self._save_weights(network, verdict)
        self._log.append(line)
        draw_curves(trainer.history, self._names, self._run.curves_file)
        return Report(line=line, verdict=verdict, best=best)

    def _rates(self, rate: float) -> Line:
        assert self.speed is not None
        return {
            "patterns_per_second": rate,
            "network_patterns_per_second": self.speed.network,
            "drawing_patterns_per_second": self.speed.drawing,
        }

    def _save_weights(self, network: Network, verdict: ValidationResult | None) -> None:
        run = self._run
        card = Card(
            name=run.name,
            data=run.note,
            seed=run.training.seed,
            commit=run.commit,
            scores={"step": self._trainer.steps_done} | _card_scores(run, verdict),
        )
        checkpoint.save(
            run.output,
            network,
            run.training.preprocess,
            card,
            run.validation_rule,
            TEMPERATURE if verdict is None else verdict.temperature,
        )


def _scores(verdict: ValidationResult | None) -> Line:
    if verdict is None:
        return {}
    return {"score": verdict.score} | {
        accuracy(name, shots): value
        for name, found in verdict.accuracies.items()
        for shots, value in found.items()
    }


def _card_scores(run: TrainingRun, verdict: ValidationResult | None) -> dict[str, Any]:
    if verdict is None:
        return {}
    return {
        "validation": {
            "five_shot_accuracy": verdict.score,
            "rule": run.validation_rule,
            "accuracy_by_shots": verdict.accuracies,
        }
    }
