import numpy as np
import pytest

from specklenn.core.evaluation.calibration_report import auroc, measure_confidence
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.rejection import Limits

CLASSES = ("single-hit", "multi-hit")


def directions(*middles, each, spread, seed=0):
    """Unit vectors around some middles, ``each`` for every one."""
    random = np.random.default_rng(seed)
    found = np.repeat(np.array(middles, float), each, axis=0)
    found += spread * random.standard_normal(found.shape)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def embedded():
    """Two classes and two other labels: one elsewhere, one like single-hits."""
    axes = np.eye(6)
    vectors = directions(axes[0], axes[1], axes[2], axes[0], each=30, spread=0.05)
    labels = np.repeat([*CLASSES, "ice", "twin"], 30)
    return vectors, labels, np.repeat("sample", 120)


@pytest.fixture
def measure(embedding_classifier):
    def make(embedded, n_shot, rule, adapter=None, temperature=0.1, **limits):
        vectors, labels, names = embedded
        settings = EvaluationSettings(n_shot=(1, n_shot), draws=3, classes=CLASSES)
        prototype_fn = make_prototype_fn(adapter, CLASSES)
        classifier = embedding_classifier(
            "model", vectors, (rule,), prototype_fn, temperature
        )
        draws = draw_few_shot(labels, names, settings)
        return measure_confidence(
            classifier, draws, temperature, n_shot, limits=Limits(**limits)
        )

    return make


@pytest.fixture
def confidence(measure, embedded):
    return measure(embedded, 5, "prototype")


def test_other_patterns_are_told_by_distance_if_they_lie_elsewhere(confidence):
    assert confidence.ood_auroc["ice"] == 1.0
    assert confidence.ood_auroc["twin"] == pytest.approx(0.5, abs=0.1)


def test_nothing_is_unknown_without_limits(confidence):
    assert confidence.unknown == 0.0
    assert confidence.accuracy_of_known == 1.0
    assert confidence.ood_unknown == {"ice": 0.0, "twin": 0.0}


def test_it_is_told_how_many_are_unknown_and_how_often_the_others_are_right(
    measure, embedded
):
    far = measure(embedded, 5, "prototype", above_distance=0.5)
    unsure = measure(embedded, 5, "prototype", below_score=0.5)
    nobody = measure(embedded, 5, "prototype", above_distance=1e-6)

    assert far.unknown == 0.0
    assert far.ood_unknown == {"ice": 1.0, "twin": 0.0}
    assert unsure.ood_unknown == {"ice": 0.0, "twin": 0.0}
    assert nobody.unknown == 1.0
    assert np.isnan(nobody.accuracy_of_known)


def test_those_who_are_left_are_right_more_often_where_classes_overlap(measure):
    vectors = directions(*np.eye(6)[:2], each=200, spread=0.6)
    embedded = vectors, np.repeat(CLASSES, 200), np.repeat("sample", 400)

    everybody = measure(embedded, 5, "prototype", temperature=0.3)
    sure = measure(embedded, 5, "prototype", temperature=0.3, below_score=0.8)

    assert 0.1 < sure.unknown < 0.9
    assert sure.accuracy_of_known > everybody.accuracy_of_known + 0.02
    assert sure.log_loss == everybody.log_loss


def test_all_queries_of_all_draws_are_in_the_diagram(confidence):
    assert confidence.reliability.shots.sum() == 3 * 2 * 25
    assert confidence.temperature == 0.1


def test_the_best_temperature_does_not_depend_on_that_of_the_scores(measure):
    """Of two classes that overlap: at 0.5 scores are not sure, at 0.05 too sure."""
    vectors = directions(*np.eye(6)[:2], each=200, spread=0.6)
    embedded = vectors, np.repeat(CLASSES, 200), np.repeat("sample", 400)

    found = [measure(embedded, 5, "prototype", None, of) for of in (0.05, 0.15, 0.5)]

    assert [one.temperature for one in found] == [0.05, 0.15, 0.5]
    best = [one.best_temperature for one in found]
    np.testing.assert_allclose(best, best[1], rtol=0.06)
    assert 0.05 < best[1] < 0.5
    assert min(one.log_loss for one in found) == found[1].log_loss


def test_prototypes_lie_towards_other_patterns_or_away(measure, embedded, adapter_to):
    ice = 10 * np.eye(6)[2]

    towards, away = (
        measure(embedded, 1, "learned", adapter_to([place] * 3))
        for place in (ice, -ice)
    )

    assert towards.ood_auroc["ice"] == 0.0
    assert away.ood_auroc["ice"] == 1.0


def test_the_middle_number_of_supports_is_measured_unless_another_is_asked_for(
    embedding_classifier,
):
    vectors = directions(*np.eye(6)[:2], each=30, spread=0.05)
    settings = EvaluationSettings(n_shot=(1, 2, 5), classes=CLASSES)
    draws = draw_few_shot(np.repeat(CLASSES, 30), np.repeat("sample", 60), settings)
    classifier = embedding_classifier("model", vectors, ("mean",))

    assert measure_confidence(classifier, draws, 0.1).n_shot == 2
    assert measure_confidence(classifier, draws, 0.1, n_shot=5).n_shot == 5


def test_the_auroc_is_the_share_of_all_pairs_in_order():
    random = np.random.default_rng(3)
    low, high = random.integers(0, 9, 40), random.integers(2, 12, 30)

    pairs = [(h > least) + 0.5 * (h == least) for least in low for h in high]

    assert auroc(low, high) == pytest.approx(np.mean(pairs))
