import json

import numpy as np
import pytest

from specklenn.core.evaluation.labelled_file import Embedded
from specklenn.core.evaluation.measurement import EvaluationSettings, measure
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.reports.evaluation_result import EvaluationResult, nearest
from specklenn.core.reports.sample_sizes import Sizes

CONDITIONS = EvaluationSettings(shots=(1, 2), draws=2)
ATOMS = Sizes(of={"a": 12000.0}, quantity="atoms")


def measured(seed):
    """Two samples, 6 random patterns of each class of each."""
    vectors = np.random.default_rng(seed).normal(size=(24, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embedded = Embedded(
        embeddings=vectors,
        labels=np.tile([SINGLE_HIT, MULTI_HIT], 12),
        names=np.repeat(["a", "b"], 12),
        rows=np.arange(24),
    )
    return measure(embedded, CONDITIONS)


def study(by_fluence, sizes=None):
    return EvaluationResult(
        data="run.h5",
        weights="default",
        sha256="0123",
        conditions=CONDITIONS,
        measured=by_fluence,
        sizes=sizes,
    )


@pytest.fixture
def scanned():
    return study({0.1: measured(1), 3.0: measured(2), 100.0: measured(3)}, ATOMS)


def test_without_a_scan_the_scores_are_of_the_patterns_as_they_are():
    plain = study({None: measured(0)})

    assert plain.fluence is None
    assert plain.scan == {}
    summary = plain.summary()
    assert summary["shots"] == measured(0).scores
    assert set(summary) == {
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


def test_a_scan_is_summed_up_at_the_fluence_nearest_to_the_baseline(scanned):
    summary = scanned.summary()

    assert summary["fluence"] == 3.0
    assert summary["shots"]["2"]["accuracy"] == measured(2).scores["2"]["accuracy"]
    assert list(summary["fluence_scan"]) == ["0.1", "3", "100"]
    found = summary["fluence_scan"]["100"]["1"]
    wanted = measured(3).scores["1"]
    assert found == {key: wanted[key] for key in found}
    assert {"accuracy", "f1", "ci95"} <= set(found)


def test_a_summary_can_be_written_as_json_and_read_again(scanned):
    summary = scanned.summary()

    assert json.loads(json.dumps(summary)) == summary


def test_sizes_stand_beside_the_scores_of_their_samples(scanned):
    samples = scanned.summary()["shots"]["1"]["per_sample"]

    assert samples["a"]["atoms"] == 12000.0
    assert samples["b"]["atoms"] is None
    assert "atoms" not in measured(2).scores["1"]["per_sample"]["a"]


def test_the_table_has_every_sample_at_every_fluence_and_number_of_shots(scanned):
    headings, rows = scanned.sample_table()

    assert headings[:6] == ["name", "atoms", "fluence", "shots", "accuracy", "f1"]
    assert headings[6:] == ["patterns single-hit", "patterns multi-hit"]
    assert len(rows) == 2 * 3 * 2
    score = measured(1).scores["1"]["per_sample"]["a"]
    numbers = [f"{score['accuracy']:.4f}", f"{score['f1']:.4f}", "6", "6"]
    assert rows[0] == ["a", "12000", "0.1", "1", *numbers]
    assert rows[1][:4] == ["b", "", "0.1", "1"]


def test_sizes_are_shown_at_the_baseline_and_in_a_bright_beam(scanned):
    shown = scanned.by_size()

    assert list(shown) == ["fluence 3", "fluence 100"]
    assert shown["fluence 100"].scores == measured(3).scores


@pytest.mark.parametrize(
    ("fluences", "shown"), [({None}, [""]), ({0.5}, ["fluence 0.5"])]
)
def test_one_fluence_is_shown_once_over_size(fluences, shown):
    by_fluence = {fluence: measured(0) for fluence in fluences}

    assert list(study(by_fluence).by_size()) == shown


def test_the_nearest_fluence_is_the_one_with_the_smallest_ratio():
    assert nearest([0.4, 2.0], 1.0) == 2.0
    assert nearest([0.6, 2.0], 1.0) == 0.6
