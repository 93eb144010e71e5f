"""Methods whose answers are known, and the real ones on particles they can learn."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

from specklenn.core.data.detector_area import Area
from specklenn.core.errors import DataError
from specklenn.core.evaluation.classifiers import scores_of_labels
from specklenn.core.finetuning.labelled_shots import LabelledShots
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.network import checkpoint
from specklenn.core.paper.table1 import measure_table1
from specklenn.core.paper.table1_methods import (
    AdaptedModel,
    PaperOnline,
    ShiOnline,
    Untrained,
    classifier_of_supports,
    split,
)
from specklenn.core.preprocess import Preprocessing

THREE = ("single-hit", "multi-hit", "non-sample-hit")
WHOLE, QUARTER = Area(), Area(quadrant=2)


@dataclass(frozen=True)
class Confused:
    """Calls everything a single-hit but the last class, and remembers what it saw."""

    seen: list
    name: str = "confused"
    labels: int = 4

    def fit(self, labelled, seed):
        def measure(queries):
            self.seen.append((labelled, queries))
            return scores_of_labels(np.where(queries.codes == 2, 2, 0), 3)

        return measure


@pytest.fixture
def shots():
    """Nine shots of each of three classes; a frame holds its own number."""
    numbers = np.arange(27, dtype=np.float32)
    return LabelledShots(
        frames=np.broadcast_to(numbers[:, None, None], (27, 4, 4)),
        codes=np.repeat([0, 1, 2], 9),
        classes=THREE,
        origins=tuple(f"shot {number:.0f}" for number in numbers),
        mask=np.zeros((4, 4), bool),
    )


def run(shots, methods, **settings):
    asked = {"draws": 2, "pool": 5, "seed": 0} | settings
    cells = measure_table1(shots, methods, **asked)
    return {(cell.method, cell.area): cell for cell in cells}


def test_accuracy_and_f1_are_those_of_single_hits(shots):
    """Four queries a class: eight single-hits called, four right; multi-hits wrong."""
    cell = run({WHOLE: shots}, [Confused([])])["confused", WHOLE.words]

    assert cell.accuracy == pytest.approx(8 / 12)
    assert cell.f1 == pytest.approx(2 * 4 / (8 + 4))
    assert cell.all_classes == pytest.approx(8 / 12)


def test_the_interval_of_one_draw_is_that_of_its_queries(shots):
    cell = run({WHOLE: shots}, [Confused([])], draws=1)["confused", WHOLE.words]

    wilson = stats.binomtest(8, 12).proportion_ci(0.95, method="wilson")
    assert (cell.low, cell.high) == pytest.approx((wilson.low, wilson.high))


def test_labels_are_never_queries_and_every_area_has_the_same(shots):
    method = Confused([])
    quarter = replace(shots, mask=np.eye(4, dtype=bool))

    run({WHOLE: shots, QUARTER: quarter}, [method])

    drawn = [({*one.origins}, {*other.origins}) for one, other in method.seen]
    assert [len(labelled) for labelled, _ in drawn] == [12] * 4
    assert not any(labelled & queries for labelled, queries in drawn)
    assert drawn[:2] == drawn[2:]
    assert drawn[0] != drawn[1]
    assert method.seen[2][0].mask.sum() == 4


def test_too_few_shots_are_refused(shots):
    with pytest.raises(DataError, match="9 shots of one class, more than 9 expected"):
        measure_table1({WHOLE: shots}, [], draws=1, pool=9, seed=0)


def test_methods_that_know_two_classes_have_no_accuracy_over_all(shots):
    class Two(Confused):
        def fit(self, labelled, seed):
            return lambda queries: scores_of_labels(np.minimum(queries.codes, 1), 2)

    cell = run({WHOLE: shots}, [Two([])])["confused", WHOLE.words]

    assert (cell.accuracy, cell.f1, cell.all_classes) == (1.0, 1.0, None)


@pytest.fixture
def striped(make_shots):
    """Discs and striped discs, 60 of each."""
    frames, labels = make_shots(60)
    return LabelledShots(
        frames=frames,
        codes=np.where(labels == "single-hit", 0, 1),
        classes=THREE[:2],
        origins=tuple(map(str, range(120))),
        mask=np.zeros(frames.shape[1:], bool),
    )


def test_methods_that_train_learn_what_the_labels_show(striped, untrained):
    model = checkpoint.load(untrained)
    seen = Preprocessing(crop=32, bin=1)
    tuning = {"steps": 60, "learning_rate": 1e-3, "patches": 0}
    adaptation = Adaptation(data="unused.h5", tuning=tuning, folds=2)
    methods = [
        Untrained(model=model),
        AdaptedModel(model=model, adaptation=adaptation, labels=20),
        PaperOnline(labels=20, preprocessing=seen, steps=40, validate_every=20),
        ShiOnline(labels=20, preprocessing=seen, steps=300),
    ]

    found = run({WHOLE: striped}, methods, draws=1, pool=20)

    accuracy = {name: cell.accuracy for (name, _), cell in found.items()}
    assert accuracy["untrained, adapted"] > 0.9
    assert accuracy["paper's online training"] > 0.7
    assert accuracy["Shi et al. (2019)"] > 0.6
    assert accuracy["untrained, adapted"] >= accuracy["untrained, no training"]


def test_classification_uses_every_labelled_shot_as_a_support(striped, untrained):
    model = checkpoint.load(untrained)
    labelled = striped.only(np.arange(0, 120, 2))

    found = classifier_of_supports(model, labelled)(labelled)

    assert (found.scores.argmax(axis=1) == labelled.codes).mean() > 0.8


@pytest.mark.parametrize(("number", "held"), [(60, 20), (20, 7), (3, 1), (2, 0)])
def test_a_third_of_every_class_validates_and_two_stay_to_train_on(number, held):
    codes = np.repeat([0, 1, 2], number)

    trained, out = split(codes, np.random.default_rng(0))

    assert np.bincount(codes[out], minlength=3).tolist() == [held] * 3
    assert sorted([*trained, *out]) == list(range(3 * number))
