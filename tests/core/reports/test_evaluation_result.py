import json

import numpy as np
import pytest

from specklenn.core.evaluation.calibration_report import measure_confidence
from specklenn.core.evaluation.classifiers import model_classifier
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.reports.evaluation_result import EvaluationResult, nearest
from specklenn.core.reports.sample_sizes import Sizes
from specklenn.core.reports.scores_json import evaluation_json

SETTINGS = EvaluationSettings(n_shot=(1, 2), draws=2)
ATOMS = Sizes(of={"a": 12000.0}, quantity="atoms")
LABELS = np.tile([SINGLE_HIT, MULTI_HIT], 12)
NAMES = np.repeat(["a", "b"], 12)


def classifier(seed):
    """Two samples, 6 random patterns of each class of each."""
    vectors = np.random.default_rng(seed).normal(size=(24, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    layout = FeatureLayout(embedding_size=4, blocks=())
    head = DistanceHead(rule="mean", layout=layout, temperature=0.1)
    return model_classifier("model", vectors, {"mean": head})


def scores(seed):
    return evaluate([classifier(seed)], draw_few_shot(LABELS, NAMES, SETTINGS))


def result_of(by_fluence, sizes=None):
    draws = draw_few_shot(LABELS, NAMES, SETTINGS)
    return EvaluationResult(
        data="run.h5",
        weights="default",
        sha256="0123",
        rule="mean",
        settings=SETTINGS,
        by_fluence=by_fluence,
        confidence=measure_confidence(classifier(0), draws, 0.1),
        sizes=sizes,
    )


def written(result):
    return json.loads(evaluation_json(result))


@pytest.fixture
def scanned():
    return result_of({0.1: scores(1), 3.0: scores(2), 100.0: scores(3)}, ATOMS)


def test_without_a_scan_the_scores_are_of_the_patterns_as_they_are():
    plain = result_of({None: scores(0)})

    assert plain.fluence is None
    assert plain.scan == {}
    found = written(plain)
    assert found["shots"]["2"]["accuracy"] == scores(0).first[2].accuracy.mean
    assert set(found) == {
        "shots",
        "n_patterns",
        "weights",
        "sha256",
        "rule",
        "classes",
        "draws",
        "seed",
        "area",
        "confidence",
    }


def test_scores_have_the_keys_that_scripts_rely_on():
    found = written(result_of({None: scores(0)}))

    summary = scores(0).first[1]
    assert set(found["shots"]) == {"1", "2"}
    assert found["shots"]["1"] == {
        "accuracy": summary.accuracy.mean,
        "f1": summary.f1.mean,
        "precision": summary.precision,
        "recall": summary.recall,
        "ci95": [summary.accuracy.low, summary.accuracy.high],
        "f1_ci95": [summary.f1.low, summary.f1.high],
        "confusion": summary.confusion,
        "per_sample": {
            name: {"accuracy": score.accuracy, "f1": score.f1}
            for name, score in summary.per_sample.items()
        },
    }
    assert list(found["confidence"]) == [
        "supports",
        "temperature",
        "best_temperature",
        "log_loss",
        "calibration_error",
        "queries",
        "mean_score",
        "share_right",
        "unknown",
        "accuracy_of_known",
        "strangers",
        "strangers_unknown",
    ]
    assert found["n_patterns"] == 24


def test_what_was_assumed_is_said(scanned):
    over, assumed, command = scanned.assumptions

    assert over == "Intervals are over 2 samples; few samples make them wide."
    assert f"drawn {scanned.settings.draws} times from each sample itself" in assumed
    assert command == f"specklenn evaluate {scanned.data} --supports support.yaml"


def test_a_scan_is_summed_up_at_the_fluence_nearest_to_the_baseline(scanned):
    found = written(scanned)

    assert found["fluence"] == 3.0
    assert found["shots"]["2"]["accuracy"] == scores(2).first[2].accuracy.mean
    assert list(found["fluence_scan"]) == ["0.1", "3", "100"]
    bright, wanted = found["fluence_scan"]["100"]["1"], scores(3).first[1]
    assert set(bright) == {"accuracy", "f1", "ci95", "f1_ci95", "confusion"}
    assert bright["accuracy"] == wanted.accuracy.mean
    assert bright["ci95"] == [wanted.accuracy.low, wanted.accuracy.high]


def test_sizes_stand_beside_the_scores_of_their_samples(scanned):
    samples = written(scanned)["shots"]["1"]["per_sample"]

    assert samples["a"]["atoms"] == 12000.0
    assert samples["b"]["atoms"] is None
    assert (
        "atoms"
        not in written(result_of({None: scores(2)}))["shots"]["1"]["per_sample"]["a"]
    )


def test_the_table_has_every_sample_at_every_fluence_and_number_of_supports(scanned):
    headings, rows = scanned.sample_table()

    assert headings[:6] == ["name", "atoms", "fluence", "shots", "accuracy", "f1"]
    assert headings[6:] == ["patterns single-hit", "patterns multi-hit"]
    assert len(rows) == 2 * 3 * 2
    score = scores(1).first[1].per_sample["a"]
    numbers = [f"{score.accuracy:.4f}", f"{score.f1:.4f}", "6", "6"]
    assert rows[0] == ["a", "12000", "0.1", "1", *numbers]
    assert rows[1][:4] == ["b", "", "0.1", "1"]


def test_sizes_are_shown_at_the_baseline_and_in_a_bright_beam(scanned):
    shown = scanned.by_size()

    assert list(shown) == ["fluence 3", "fluence 100"]
    assert shown["fluence 100"] is scanned.by_fluence[100.0]


@pytest.mark.parametrize(
    ("fluences", "shown"), [({None}, [""]), ({0.5}, ["fluence 0.5"])]
)
def test_one_fluence_is_shown_once_over_size(fluences, shown):
    by_fluence = {fluence: scores(0) for fluence in fluences}

    assert list(result_of(by_fluence).by_size()) == shown


def test_the_nearest_fluence_is_the_one_with_the_smallest_ratio():
    assert nearest([0.4, 2.0], 1.0) == 2.0
    assert nearest([0.6, 2.0], 1.0) == 0.6
