"""A training from start to end: steps, now and then a validation, what is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import TEMPERATURE, Card
from specklenn.core.network.registry import Network
from specklenn.core.training.history import (
    History,
    Log,
    LogRow,
    accuracy,
    columns,
    draw_curves,
)
from specklenn.core.training.resume import save_state
from specklenn.core.training.throughput import Throughput, ThroughputMeter
from specklenn.core.training.train_config import TrainingRun
from specklenn.core.training.trainer import Step, Trainer
from specklenn.core.training.validate_model import (
    ValidationResult,
    ValidationSet,
    validate,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationReport:
    """What came out since the last report.

    Parameters
    ----------
    line : dict of str to float
        Metrics as in the log.
    validation : ValidationResult or None
        None without validation files.
    best : bool
        Whether the weights were kept.
    """

    line: LogRow
    validation: ValidationResult | None
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
    history : History, optional
        Of a training that goes on.
    """

    def __init__(
        self,
        run: TrainingRun,
        trainer: Trainer,
        sets: Sequence[ValidationSet],
        history: History | None = None,
    ) -> None:
        self._run = run
        self._trainer = trainer
        self._sets = sets
        self._names = [one.name for one in sets]
        self._history = history or History()
        self._log = Log(run.log_file, columns(self._names))
        self._meter = ThroughputMeter()
        self._throughput: Throughput | None = None
        self._started = time.monotonic()

    @property
    def throughput(self) -> Throughput | None:
        """Of network and drawing alone; measured by rank 0 before the first step."""
        return self._throughput

    @property
    def rate(self) -> float:
        """Patterns per second of the steps up to the last validation."""
        return self._meter.rate()

    def steps(self) -> Iterator[tuple[Step, ValidationReport | None]]:
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
        if trainer.ranks.first and trainer.steps_done < trainer.last_step:
            self._log.rewrite(self._history.lines)
            self._throughput = trainer.measure_throughput()
        self._started = time.monotonic() - self._history.seconds
        self._meter.start()
        for step in trainer.steps(run.workers):
            self._meter.add(step.patterns)
            yield step, self._after(step)
            if step.stopping:
                return

    def _after(self, step: Step) -> ValidationReport | None:
        """Validate and save if it is time, or if the training is to stop."""
        trainer, due = self._trainer, self._due(step)
        if trainer.ranks.first:
            self._history.add(step, time.monotonic() - self._started)
        if not due and not step.stopping:
            return None
        rate = self._meter.end()
        trainer.average_statistics()
        report = None
        if trainer.ranks.first:
            report = self._report(step, rate) if due else None
            save_state(self._run.state_file, self._run.training, trainer, self._history)
        self._meter.start()
        return report

    def _due(self, step: Step) -> bool:
        every = self._run.validate_every
        return step.step % every == 0 or step.step == self._trainer.last_step

    def _report(self, step: Step, rate: float) -> ValidationReport:
        """Validate; keep the weights if they are the best, and the metrics."""
        network = self._trainer.trained()
        result = validate(network, self._sets) if self._sets else None
        line = {
            "step": step.step,
            **self._history.means(),
            "learning_rate": step.learning_rate,
            **self._rates(rate),
            **_scores(result),
            "seconds": self._history.seconds,
        }
        best = self._history.record(line)
        if best:
            self._save_weights(network, step, result)
        self._log.append(line)
        draw_curves(self._history.lines, self._names, self._run.curves_file)
        return ValidationReport(line=line, validation=result, best=best)

    def _rates(self, rate: float) -> LogRow:
        assert self._throughput is not None
        return {
            "patterns_per_second": rate,
            "network_patterns_per_second": self._throughput.network,
            "drawing_patterns_per_second": self._throughput.drawing,
        }

    def _save_weights(
        self, network: Network, step: Step, result: ValidationResult | None
    ) -> None:
        run = self._run
        card = Card(
            name=run.name,
            data=run.note,
            seed=run.training.seed,
            commit=run.commit,
            scores={"step": step.step} | _card_scores(run, result),
        )
        checkpoint.save(
            run.output,
            network,
            run.training.preprocess,
            card,
            run.validation_rule,
            TEMPERATURE if result is None else result.temperature,
        )


def _scores(result: ValidationResult | None) -> LogRow:
    if result is None:
        return {}
    return {"score": result.score} | {
        accuracy(name, shots): value
        for name, found in result.accuracies.items()
        for shots, value in found.items()
    }


def _card_scores(run: TrainingRun, result: ValidationResult | None) -> dict[str, Any]:
    if result is None:
        return {}
    return {
        "validation": {
            "five_shot_accuracy": result.score,
            "rule": run.validation_rule,
            "accuracy_by_shots": result.accuracies,
        }
    }
