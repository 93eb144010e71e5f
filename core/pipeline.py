"""From a batch of shots to result rows: crop, find hits, embed, classify."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from specklenn.core.classify import Classifier
from specklenn.core.data.shots import Shots
from specklenn.core.flags import Flag, is_skipped
from specklenn.core.hitfinder import HitFinding
from specklenn.core.labels import all_classes
from specklenn.core.rows import Rows, class_codes, empty_rows, row_times

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassifiedBatch:
    """A batch of shots and what the classifier says about them.

    Parameters
    ----------
    rows : (B,) records, see `specklenn.core.rows`
    photons : (B, crop, crop) float32, photons per pixel
        The crops, NaN where bad; zero for shots that could not be cropped.
    """

    rows: Rows
    photons: npt.NDArray[np.float32]


class Pipeline:
    """Everything that happens to a shot inside one worker.

    Parameters
    ----------
    classifier : Classifier
    hit_finding : HitFinding
    run : int
        Run number written into the rows.
    rank : int
        This worker.
    model_version : int
        Number of the classifier's model in this run.
    fit_version : int
        Number of the classifier's fit to hits of this run, 0 without them.
    """

    def __init__(
        self,
        classifier: Classifier,
        hit_finding: HitFinding,
        run: int = 0,
        rank: int = 0,
        model_version: int = 1,
        fit_version: int = 0,
    ) -> None:
        self.classifier = classifier
        self.hit_finding = hit_finding
        self.classes = all_classes(classifier.classes)
        self._run = run
        self._rank = rank
        self._model_version = model_version
        self._fit_version = fit_version

    def with_classifier(
        self, classifier: Classifier, model_version: int, fit_version: int = 0
    ) -> Pipeline:
        """Return this pipeline with another classifier of the same classes."""
        return Pipeline(
            classifier,
            self.hit_finding,
            self._run,
            self._rank,
            model_version,
            fit_version,
        )

    def classify(self, shots: Shots) -> ClassifiedBatch:
        """Classify a batch: every shot gets exactly one row, whatever it looks like.

        A batch that raises is classified shot by shot; only those that raise alone
        are lost, as counted skips.
        """
        try:
            return self._classify_batch(shots)
        except Exception:
            log.warning("a batch of %d failed:\n%s", len(shots), traceback.format_exc())
        if len(shots) == 1:
            rows = self._begin(shots)
            rows["flags"] |= Flag.FAILED.bits
            return ClassifiedBatch(rows=rows, photons=self._no_photons(shots))
        parts = [self.classify(shots.part(i, i + 1)) for i in range(len(shots))]
        return ClassifiedBatch(
            rows=np.concatenate([part.rows for part in parts]),
            photons=np.concatenate([part.photons for part in parts]),
        )

    def _classify_batch(self, shots: Shots) -> ClassifiedBatch:
        rows, photons = self._begin(shots), self._no_photons(shots)
        preprocessor = self.classifier.preprocessor
        if shots.frames.shape[1:] != preprocessor.shape:
            readable = ~is_skipped(rows["flags"])
            rows["flags"][readable] |= Flag.WRONG_SHAPE.bits
            return ClassifiedBatch(rows=rows, photons=photons)
        usable = np.flatnonzero(~is_skipped(rows["flags"]))
        bad = None if shots.bad is None else shots.bad[usable]
        cropped = preprocessor.crop(shots.frames[usable], bad)
        photons[usable] = cropped.photons
        found = self.classifier.classify_crops(cropped, self.hit_finding)
        rows["label"][usable] = found.codes
        rows["score"][usable] = found.scores.max(axis=1)
        rows["distances"][usable] = found.distances
        rows["photons"][usable] = found.photons
        rows["lit_pixels"][usable] = found.lit_pixels
        rows["flags"][usable] |= found.flags
        return ClassifiedBatch(rows=rows, photons=photons)

    def _no_photons(self, shots: Shots) -> npt.NDArray[np.float32]:
        side = self.classifier.preprocessor.settings.crop
        return np.zeros((len(shots), side, side), np.float32)

    def _begin(self, shots: Shots) -> Rows:
        rows = empty_rows(len(shots), len(self.classifier.classes))
        rows["index"] = shots.index
        rows["timestamp_ns"] = row_times(shots.timestamp_ns)
        rows["arrived_ns"] = shots.arrived_ns
        rows["flags"] = shots.flags
        rows["truth"] = class_codes(shots.truth, self.classes)
        rows["run"] = self._run
        rows["rank"] = self._rank
        rows["support_version"] = self.classifier.supports.version
        rows["model_version"] = self._model_version
        rows["fit_version"] = self._fit_version
        return rows
