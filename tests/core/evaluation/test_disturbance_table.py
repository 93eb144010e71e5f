import numpy as np
import pytest

from specklenn.core.evaluation.classifiers import model_classifier
from specklenn.core.evaluation.disturbance_table import measure_disturbances
from specklenn.core.evaluation.disturbances import find_disturbances
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.evaluation.labelled_file import Embedded
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureLayout
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT

PER_CLASS = 30
LAYOUT = FeatureLayout(embedding_size=2, blocks=())
HEAD = DistanceHead(rule="prototype", layout=LAYOUT, temperature=0.1)


def embedded(spread=0.3, samples=3, rows=None, seed=0):
    """Two clusters on the circle per sample, each sample turned by its own angle."""
    random = np.random.default_rng(seed)
    numbers = np.arange(samples * 2 * PER_CLASS)
    sample, label = numbers // (2 * PER_CLASS), numbers // PER_CLASS % 2
    angles = sample + 1.5 * label + spread * random.normal(size=len(numbers))
    kept = numbers if rows is None else rows
    return Embedded(
        features=np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)[
            kept
        ],
        layout=LAYOUT,
        labels=np.array([SINGLE_HIT, MULTI_HIT])[label][kept],
        names=np.array([f"sample {each}" for each in sample])[kept],
        rows=kept,
    )


def classifier(patterns):
    return model_classifier("model", patterns.features, {"prototype": HEAD})


def measure(names, plain, disturbed, **settings):
    return measure_disturbances(
        find_disturbances(names),
        plain,
        disturbed,
        classifier,
        EvaluationSettings(**settings),
    )


def scores(row):
    return {n_shot: found.accuracy for n_shot, found in row.by_n_shot.items()}


def test_without_a_disturbance_it_is_what_evaluate_finds():
    plain = embedded()

    table = measure(["gap"], plain, {"gap": embedded(spread=1.0)})

    draws = draw_few_shot(plain.labels, plain.names, EvaluationSettings())
    alone = evaluate([classifier(plain)], draws)
    assert scores(table.undisturbed) == {
        n_shot: found.accuracy for n_shot, found in alone.first.items()
    }
    assert (table.n_shots, table.main_n_shot) == ((1, 5, 20), 5)
    assert table.unusable == 0


def test_frames_that_are_not_changed_cost_nothing_and_noise_costs_some():
    table = measure(
        ["gap", "offset"],
        embedded(),
        {"gap": embedded(), "offset": embedded(spread=1.0)},
    )

    same, noisy = table.disturbed
    assert scores(same) == scores(table.undisturbed)
    assert same.log_loss == table.undisturbed.log_loss
    assert [table.change(same, n_shot) for n_shot in table.n_shots] == [0, 0, 0]
    assert table.change(noisy, 5) < -0.05
    assert noisy.log_loss > table.undisturbed.log_loss


def test_a_disturbance_scores_the_same_alone_and_among_others():
    disturbed = {"gap": embedded(spread=0.7), "offset": embedded(spread=0.9)}
    (alone,) = measure(
        ["offset"], embedded(), {"offset": disturbed["offset"]}
    ).disturbed

    rows = measure(["wrong-label", "offset", "gap"], embedded(), disturbed).disturbed

    assert [row.disturbance.name for row in rows] == ["wrong-label", "offset", "gap"]
    assert scores(rows[1]) == scores(alone)


def test_the_log_loss_is_that_of_the_scores():
    """All patterns at one point: both classes have the same distance."""
    plain = embedded()
    same = Embedded(
        features=np.tile(np.float32([1, 0]), (len(plain.rows), 1)),
        layout=LAYOUT,
        labels=plain.labels,
        names=plain.names,
        rows=plain.rows,
    )

    table = measure(["gap"], plain, {"gap": same})

    assert table.disturbed[0].log_loss == pytest.approx(np.log(2))


def test_patterns_that_a_disturbance_makes_unusable_are_left_out_of_all_rows():
    kept = np.setdiff1d(np.arange(180), [0, 1, 50])
    table = measure(
        ["gap", "offset"],
        embedded(),
        {"gap": embedded(rows=kept), "offset": embedded(spread=1.0)},
    )

    cut = embedded(rows=kept)
    draws = draw_few_shot(cut.labels, cut.names, EvaluationSettings())
    assert scores(table.undisturbed) == {
        n_shot: found.accuracy
        for n_shot, found in evaluate([classifier(cut)], draws).first.items()
    }
    assert scores(table.disturbed[0]) == scores(table.undisturbed)
    assert table.missing() == ["3 patterns that cannot be classified when disturbed"]


def test_supports_of_two_samples_are_classified_with_the_shots_of_both():
    """Singles of one sample lie where the multi-hits of the next one are."""
    table = measure(["two-samples"], embedded(spread=0.01), {}, n_shot=(1, 4))

    (row,) = table.disturbed
    assert scores(table.undisturbed)[4].mean == 1.0
    assert set(row.by_n_shot) == {4}
    assert set(row.by_n_shot[4].per_sample) == {
        "sample 0 + sample 1",
        "sample 1 + sample 2",
        "sample 2 + sample 0",
    }
    assert row.by_n_shot[4].accuracy.mean < 1.0
    assert table.change(row, 1) is None


def test_what_the_data_do_not_allow_is_an_empty_row_with_its_reason():
    table = measure(
        ["two-samples", "wrong-label", "unequal"],
        embedded(samples=1),
        {},
        n_shot=(2, 3),
    )

    two, wrong, unequal = table.disturbed
    assert (two.by_n_shot, two.log_loss) == ({}, None)
    assert table.cells(wrong) == ["-", "-", "-", "-"]
    assert set(unequal.by_n_shot) == {2, 3}
    assert table.missing() == [
        "two-samples: needs two samples and two supports per class",
        "wrong-label: needs five supports per class",
    ]


def test_cells_are_accuracies_the_change_and_the_log_loss():
    table = measure(["gap"], embedded(), {"gap": embedded(spread=1.0)}, n_shot=(1, 5))

    (row,) = table.disturbed
    one, five, change, loss = table.cells(row)
    assert float(one) == pytest.approx(scores(row)[1].mean, abs=1e-4)
    assert float(five) == pytest.approx(scores(row)[5].mean, abs=1e-4)
    assert float(change) == pytest.approx(table.change(row, 5), abs=1e-4)
    assert change.startswith("-")
    assert float(loss) == pytest.approx(row.log_loss, abs=1e-3)
