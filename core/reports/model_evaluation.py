"""What ``specklenn evaluate`` measures: one model on one labelled file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specklenn.core.decision import make_head
from specklenn.core.distances import Classification, Rule
from specklenn.core.evaluation.calibration_report import measure_confidence
from specklenn.core.evaluation.classifiers import FewShotClassifier, model_classifier
from specklenn.core.evaluation.disturbance_table import (
    DisturbanceTable,
    measure_disturbances,
)
from specklenn.core.evaluation.disturbances import Disturbance
from specklenn.core.evaluation.disturbed_frames import disturbed_exposures
from specklenn.core.evaluation.evaluate import FewShotScores, evaluate
from specklenn.core.evaluation.few_shot import (
    EvaluationSettings,
    Indices,
    draw_few_shot,
)
from specklenn.core.evaluation.labelled_file import (
    Embedded,
    Expose,
    LabelledFile,
    embed_file,
    read_pictures,
)
from specklenn.core.evaluation.progress import ProgressFn, silent
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.rejection import Limits
from specklenn.core.reports.evaluation_result import EvaluationResult, main_fluence
from specklenn.core.reports.sample_sizes import Sizes
from specklenn.core.reports.tsne import SampleMap, choose_samples, map_sample
from specklenn.core.reports.tsne_figure import Pictures

EmbeddedFile = Mapping[float | None, Embedded]
"""The patterns of a file by fluence, or under None as they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelEvaluation:
    """A model that is evaluated on a file.

    Parameters
    ----------
    file : LabelledFile
    weights : str
        The model as it was given.
    model : Checkpoint
    rule : Rule
        How supports decide.
    settings : EvaluationSettings
    exposures : dict of fluence to function
        See `specklenn.core.evaluation.fluence_scan.make_exposures`.
    sizes : Sizes or None
    """

    file: LabelledFile
    weights: str
    model: Checkpoint
    rule: Rule
    settings: EvaluationSettings
    exposures: Mapping[float | None, Expose]
    sizes: Sizes | None = None

    def embed(self, watch: ProgressFn[Indices] = silent) -> EmbeddedFile:
        """Embed the patterns in every exposure, see `embed_file`."""
        ways = list(self.exposures.values())
        found = embed_file(self.file, self.model, ways, watch)
        return dict(zip(self.exposures, found, strict=True))

    def evaluate(
        self,
        embedded: EmbeddedFile,
        watch: ProgressFn[float | None] = silent,
    ) -> EvaluationResult:
        """Score the embedded patterns, see `draw_few_shot` for what may fail."""
        scores = {at: self._scores(embedded[at]) for at in watch(list(embedded))}
        main = main_fluence(scores)
        return EvaluationResult(
            data=str(self.file.path),
            weights=self.weights,
            sha256=self.model.card.sha256,
            rule=self.rule,
            settings=self.settings,
            by_fluence=scores,
            confidence=measure_confidence(
                self._classifier(embedded[main]),
                scores[main].draws,
                self.model.temperature,
                limits=Limits.of(Classification(), self.rule),
            ),
            sizes=self.sizes,
        )

    def embed_disturbed(
        self, chosen: Sequence[Disturbance], watch: ProgressFn[Indices] = silent
    ) -> dict[str, Embedded]:
        """Embed the patterns with every disturbance of frames, by its name."""
        ways = disturbed_exposures(
            self.file,
            self.model.preprocessing,
            chosen,
            self.settings.seed,
            self.exposures[main_fluence(self.exposures)],
        )
        if not ways:
            return {}
        found = embed_file(self.file, self.model, list(ways.values()), watch)
        return dict(zip(ways, found, strict=True))

    def disturb(
        self,
        chosen: Sequence[Disturbance],
        embedded: EmbeddedFile,
        disturbed: Mapping[str, Embedded],
        watch: ProgressFn[Disturbance] = silent,
    ) -> DisturbanceTable:
        """Score the patterns with disturbances, see `measure_disturbances`."""
        return measure_disturbances(
            chosen,
            embedded[main_fluence(embedded)],
            disturbed,
            self._classifier,
            self.settings,
            watch,
        )

    def map_samples(
        self,
        embedded: EmbeddedFile,
        result: EvaluationResult,
        wanted: Sequence[str] = (),
        watch: ProgressFn[str] = silent,
    ) -> list[SampleMap]:
        """Lay out samples, see `specklenn.core.reports.tsne.choose_samples`."""
        shown = embedded[result.fluence]
        classifier = self._classifier(shown)
        return [
            map_sample(shown, classifier, result.main, name, self.settings.seed)
            for name in watch(choose_samples(result.main, wanted))
        ]

    def pictures(
        self, maps: Sequence[SampleMap], fluence: float | None
    ) -> list[Pictures]:
        """Return the examples of every map, (k, H, W) float32, photons per pixel."""
        expose = self.exposures[fluence]
        return [
            read_pictures(self.file, self.model, each.rows[each.examples], expose)
            for each in maps
        ]

    def _classifier(self, embedded: Embedded) -> FewShotClassifier:
        model, classes = self.model, self.settings.classes
        head = make_head(model.encoder, classes, self.rule, model.temperature)
        return model_classifier(model.card.name, embedded.features, {self.rule: head})

    def _scores(self, embedded: Embedded) -> FewShotScores:
        draws = draw_few_shot(embedded.labels, embedded.names, self.settings)
        return evaluate([self._classifier(embedded)], draws)
