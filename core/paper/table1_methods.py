"""What is compared when there are few labels: ours, the paper's, and Shi et al.'s."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.baselines.shi2019 import THRESHOLD, probabilities, train_shi
from specklenn.core.classify import Classifier
from specklenn.core.distances import Embeddings, class_distances
from specklenn.core.evaluation.classifiers import scores_of_labels
from specklenn.core.finetuning.finetune import Finetuning
from specklenn.core.finetuning.labelled_shots import LabelledShots
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.heads.head import ClassScores
from specklenn.core.network.checkpoint import Card, Checkpoint
from specklenn.core.network.embed import embed
from specklenn.core.paper.table1 import ShotScoreFn
from specklenn.core.preprocess import Preprocessing, Preprocessor, prepare
from specklenn.core.support import SupportSet
from specklenn.core.training.augment import Augmentation
from specklenn.core.training.data import FLOAT16_MOST, TrainingData
from specklenn.core.training.from_settings import make_trainer
from specklenn.core.training.settings import Training

Codes = npt.NDArray[np.int64]

NETWORK_INPUT = Preprocessing(crop=96, bin=2)
"""Of the two published networks: the whole pattern in 48 x 48 pixels."""

SUPPORTS = 5
"""Per class, where the paper classifies in a five-shot manner."""


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """A model as it is, with a few supports.

    Parameters
    ----------
    model : Checkpoint
    labels : int
        Supports per class.
    """

    model: Checkpoint
    labels: int = SUPPORTS

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.model.card.name}, no training"

    def fit(self, labelled: LabelledShots, seed: int) -> ShotScoreFn:
        """Take the labelled shots as supports."""
        return classifier_of_supports(self.model, labelled)


@dataclass(frozen=True, kw_only=True)
class AdaptedModel:
    """What ``specklenn adapt`` makes of a model.

    Parameters
    ----------
    model : Checkpoint
    adaptation : Adaptation
    labels : int
        Per class.
    """

    model: Checkpoint
    adaptation: Adaptation
    labels: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.model.card.name}, adapted"

    def fit(self, labelled: LabelledShots, seed: int) -> ShotScoreFn:
        """Adapt the model to the labelled shots; all of them are supports then."""
        adaptation = self.adaptation.model_copy(update={"seed": seed})
        found = Finetuning(adaptation, labelled, self.model).run()
        model = replace(
            self.model, encoder=found.encoder, temperature=found.temperature
        )
        return classifier_of_supports(model, labelled)


@dataclass(frozen=True, kw_only=True)
class PaperOnline:
    """The paper's online training: its network from the start, on the labels alone.

    Semi-hard triplets of rotated and masked shots, no learning-rate decay, the
    validation shots choosing among the steps; then five supports of each class and mean
    distances (sections 3 and 4.2).

    Parameters
    ----------
    labels : int
        Per class; a third validates.
    preprocessing : Preprocessing
    steps : int
    validate_every : int
    """

    labels: int
    preprocessing: Preprocessing = NETWORK_INPUT
    steps: int = 400
    validate_every: int = 50
    name: str = "paper's online training"

    def fit(self, labelled: LabelledShots, seed: int) -> ShotScoreFn:
        """Train on two thirds of the labels; five of them are supports then."""
        random = np.random.default_rng([seed, 1])
        trained, held = split(labelled.codes, random)
        inputs = prepare(labelled.frames, labelled.mask, self.preprocessing).inputs
        trainer = make_trainer(
            self._training(labelled, seed), _data(labelled, trained, self)
        )
        best, encoder = -1.0, trainer.trained()
        for step in trainer.steps():
            if step.step % self.validate_every == 0:
                vectors = embed(trainer.trained(), inputs)
                accuracy = _accuracy(vectors, labelled.codes, trained, held)
                if accuracy > best:
                    best, encoder = accuracy, trainer.trained()
        model = Checkpoint(
            encoder=encoder,
            preprocessing=self.preprocessing,
            card=Card(name="paper"),
            rule="mean",
        )
        few = labelled.only(_first(labelled.codes, SUPPORTS))
        return classifier_of_supports(model, few)

    def _training(self, labelled: LabelledShots, seed: int) -> Training:
        return Training(
            network="specklenn-2023",
            preprocess=self.preprocessing,
            classes=labelled.classes,
            exposure=None,
            augment=Augmentation(zoom=(1.0, 1.0), shift_pixels=0.0),
            decay=False,
            steps=self.steps,
            samples_per_step=1,
            patterns_per_class=16,
            seed=seed,
        )


@dataclass(frozen=True, kw_only=True)
class ShiOnline:
    """The network of Shi et al. (2019), single-hits against anything else.

    Parameters
    ----------
    labels : int
        Per class.
    preprocessing : Preprocessing
    steps : int
    """

    labels: int
    preprocessing: Preprocessing = NETWORK_INPUT
    steps: int = 1000
    name: str = "Shi et al. (2019)"

    def fit(self, labelled: LabelledShots, seed: int) -> ShotScoreFn:
        """Train on the labels: a single-hit is what is likelier than the threshold."""
        inputs = prepare(labelled.frames, labelled.mask, self.preprocessing).inputs
        network = train_shi(inputs, labelled.codes == 0, self.steps, seed)

        def measure(queries: LabelledShots) -> ClassScores:
            asked = prepare(queries.frames, queries.mask, self.preprocessing).inputs
            found = (probabilities(network, asked) <= THRESHOLD).astype(np.int64)
            return scores_of_labels(found, 2)

        return measure


def split(codes: Codes, random: np.random.Generator) -> tuple[Codes, Codes]:
    """Set a third of each class aside for validation; at least two stay to train on.

    Parameters
    ----------
    codes : (N,) int64
    random : Generator

    Returns
    -------
    trained, held : (n,), (m,) int64
        Rows.
    """
    trained, held = [], []
    for code in np.unique(codes):
        rows = random.permutation(np.flatnonzero(codes == code))
        number = max(min(round(len(rows) / 3), len(rows) - 2), 0)
        held.append(rows[:number])
        trained.append(rows[number:])
    return np.concatenate(trained), np.concatenate(held)


def classifier_of_supports(model: Checkpoint, labelled: LabelledShots) -> ShotScoreFn:
    """Return what measures queries, with all labelled shots as supports."""
    supports = SupportSet(
        frames=labelled.frames,
        labels=np.array([labelled.classes[code] for code in labelled.codes]),
        classes=labelled.classes,
        origins=labelled.origins,
        mask=labelled.mask,
    )
    preprocessor = Preprocessor(model.preprocessing, supports.shape, labelled.mask)
    classifier = Classifier(model, supports, preprocessor)

    def measure(queries: LabelledShots) -> ClassScores:
        found = classifier.classify(queries.frames, find_hits=False)
        return ClassScores(distances=found.distances, scores=found.scores)

    return measure


def _accuracy(vectors: Embeddings, codes: Codes, supports: Codes, held: Codes) -> float:
    """Return how many of some vectors are nearest to their class, by mean distance."""
    distances = class_distances(
        vectors[held], vectors[supports], codes[supports], int(codes.max()) + 1
    )
    return float((distances.argmin(axis=1) == codes[held]).mean())


def _first(codes: Codes, number: int) -> Codes:
    """Return the first rows of every class."""
    return np.concatenate(
        [np.flatnonzero(codes == code)[:number] for code in np.unique(codes)]
    )


def _data(labelled: LabelledShots, rows: Codes, method: PaperOnline) -> TrainingData:
    """Return shots as the trainer takes them: one sample, photons in bins."""
    preprocessor = Preprocessor(
        method.preprocessing,
        (labelled.frames.shape[1], labelled.frames.shape[2]),
        labelled.mask,
    )
    photons = torch.from_numpy(
        preprocessor.bin(preprocessor.crop(labelled.frames[rows]).photons)
    )
    bad = photons.isnan()
    return TrainingData(
        patterns=photons.masked_fill(bad, 0.0).clamp_max(FLOAT16_MOST).half(),
        bad=bad.all(dim=0),
        samples=torch.zeros(len(rows), dtype=torch.int64),
        labels=torch.from_numpy(labelled.codes[rows]),
        classes=labelled.classes,
        files=torch.zeros(len(rows), dtype=torch.int64),
        sample_names=("sample",),
        file_names=("labels",),
    )
