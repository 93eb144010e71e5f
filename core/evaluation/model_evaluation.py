"""One model on one labelled file, as it is read or at several fluences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from specklenn.core.distances import Rule
from specklenn.core.evaluation.calibration_report import Confidence, measure_confidence
from specklenn.core.evaluation.classifiers import (
    FeatureClassifier,
    embedding_classifier,
)
from specklenn.core.evaluation.evaluate import FewShotScores, evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.evaluation.labelled_file import (
    Embedded,
    Expose,
    LabelledFile,
    Watch,
    embed_file,
)
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.network.prototype_adapter import make_prototype_fn


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelEvaluation:
    """A model that is evaluated on a file.

    Parameters
    ----------
    file : LabelledFile
    model : Checkpoint
    rule : Rule
        How the supports of a class give one distance.
    settings : EvaluationSettings
    exposures : dict of fluence to function
        See `specklenn.core.evaluation.fluence_scan.make_exposures`.
    """

    file: LabelledFile
    model: Checkpoint
    rule: Rule
    settings: EvaluationSettings
    exposures: Mapping[float | None, Expose]

    def embed(
        self, watch: Watch = lambda batches: batches
    ) -> dict[float | None, Embedded]:
        """Embed the patterns in every exposure.

        Raises
        ------
        DataError
            If no pattern can be classified.
        """
        ways = list(self.exposures.values())
        found = embed_file(self.file, self.model, ways, watch)
        return dict(zip(self.exposures, found, strict=True))

    def classifier(self, embedded: Embedded) -> FeatureClassifier:
        """Return the model as a classifier of embedded patterns."""
        adapter = self.model.encoder.prototype_adapter
        return embedding_classifier(
            self.model.card.name,
            embedded.embeddings,
            (self.rule,),
            make_prototype_fn(adapter, self.settings.classes),
        )

    def scores(self, embedded: Embedded) -> FewShotScores:
        """Score the model on embedded patterns.

        Raises
        ------
        DataError
            If the data allow none of the numbers of supports.
        """
        draws = draw_few_shot(embedded.labels, embedded.names, self.settings)
        return evaluate([self.classifier(embedded)], draws)

    def confidence(self, embedded: Embedded, scores: FewShotScores) -> Confidence:
        """Measure what scores and distances are worth on the same draws."""
        classifier = self.classifier(embedded)
        return measure_confidence(classifier, scores.draws, self.model.temperature)
