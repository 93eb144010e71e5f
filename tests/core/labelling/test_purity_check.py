import numpy as np
import pytest
from scipy import stats

from specklenn.core.errors import ConfigError
from specklenn.core.labelling.purity_check import (
    Share,
    draw_check,
    missed,
    purity,
    recall,
)
from specklenn.core.labels import all_classes
from specklenn.core.rows import NO_CLASS, empty_rows

CLASSES = all_classes(("single-hit", "multi-hit"))
SINGLE, MULTI, NO_HIT, UNKNOWN = range(4)


def make_rows(single=300, multi=400, no_hit=200, unknown=50, skipped=5):
    """Rows of a run in a mixed order; their truth decides what a person answers."""
    random = np.random.default_rng(0)
    numbers = (single, multi, no_hit, unknown, skipped)
    codes = np.repeat([SINGLE, MULTI, NO_HIT, UNKNOWN, NO_CLASS], numbers)
    rows = empty_rows(len(codes), 2)
    rows["label"] = random.permutation(codes)
    rows["index"] = 7 + np.arange(len(rows))
    reached = np.isin(rows["label"], [SINGLE, MULTI, UNKNOWN])
    rows["score"][reached] = random.uniform(0.5, 1, reached.sum())
    rows["truth"] = np.where(random.random(len(rows)) < 0.9, rows["label"], SINGLE)
    return rows


def draw(rows, **given):
    return draw_check(
        rows, CLASSES, results="r.h5", **{"checked_class": "single-hit"} | given
    )


def answer(check, rows, unsure=()):
    """Answer with the truth, and nothing else."""
    truth = dict(zip(rows["index"].tolist(), rows["truth"].tolist(), strict=True))
    shots = [
        one.model_copy(update={"answer": _answer(truth[one.shot], one.shot in unsure)})
        for one in check.shots
    ]
    return check.model_copy(update={"shots": tuple(shots)})


def _answer(truth, unsure):
    return "unsure" if unsure else ("yes" if truth == SINGLE else "no")


def test_shots_of_the_class_alone_are_drawn_each_once():
    rows = make_rows()

    check = draw(rows)

    numbers = [one.shot for one in check.shots]
    assert len(set(numbers)) == len(numbers) == 50
    assert {one.label for one in check.shots} == {"single-hit"}
    assert (check.of_class, check.of_others) == (300, 450)
    assert set(rows["label"][np.isin(rows["index"], numbers)]) == {SINGLE}
    assert numbers != sorted(numbers)


@pytest.mark.parametrize(
    ("no_hits", "labels"),
    [(False, {"multi-hit", "unknown"}), (True, {"multi-hit", "unknown", "no-hit"})],
)
def test_others_are_hits_unless_no_hits_are_wanted(no_hits, labels):
    check = draw(make_rows(), others=200, no_hits=no_hits)

    assert {one.label for one in check.shots} == {"single-hit"} | labels
    first = [one.label == "single-hit" for one in check.shots[:100]]
    assert 5 < sum(first) < 95  # in no order that would tell


def test_a_least_score_and_what_can_be_shown_limit_the_draw():
    rows = make_rows()
    there = rows["index"][::2]

    check = draw(rows, above_score=0.9, there=there, shots=1000)

    assert all(one.score >= 0.899 and one.shot in there for one in check.shots)
    own = (rows["label"] == SINGLE) & (rows["score"] >= 0.9)
    assert len(check.shots) == check.of_class == own[::2].sum()


def test_every_shot_of_the_class_is_as_likely_to_be_drawn():
    rows = make_rows(single=20, multi=20)
    drawn = [
        one.shot for seed in range(400) for one in draw(rows, shots=5, seed=seed).shots
    ]

    _, counts = np.unique(drawn, return_counts=True)

    assert len(counts) == 20
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"checked_class": "sphere"}, "--class: sphere found, one of single-hit, mul"),
        ({"above_score": 0.99999}, "no single-hit with a score of at least 0.99999"),
        ({"there": np.array([1])}, "r.h5: no single-hit that can be shown among 955"),
    ],
)
def test_a_draw_from_nothing_is_refused(given, words):
    with pytest.raises(ConfigError, match=words):
        draw(make_rows(), **given)


def test_purity_is_the_share_of_yes_and_unsure_is_not_counted():
    rows = make_rows()
    check = draw(rows)
    doubtful = [one.shot for one in check.shots[:3]]
    sure = [one.shot for one in check.shots[3:]]

    found = purity(answer(check, rows, doubtful))

    right = int((rows["truth"][np.isin(rows["index"], sure)] == SINGLE).sum())
    assert found == Share(yes=right, sure=47, unsure=3)
    wilson = stats.binomtest(right, 47).proportion_ci(0.95, method="wilson")
    assert found.interval == pytest.approx((wilson.low, wilson.high))


def test_purity_above_a_score_counts_these_shots_alone():
    rows = make_rows()
    check = answer(draw(rows), rows)

    above = [one for one in check.shots if one.score >= 0.8]
    found = purity(check, 0.8)

    assert 0 < found.sure == len(above) < 50
    assert found.yes == sum(one.answer == "yes" for one in above)


def test_without_answers_nothing_is_known():
    check = draw(make_rows(), others=10)

    assert purity(check).words == missed(check).words == "not known yet"
    assert purity(check).interval == (0.0, 1.0)
    value, low, high = recall(check)
    assert np.isnan(value)
    assert (low, high) == (0.0, 1.0)


def test_purity_and_recall_hold_the_truth_nineteen_times_in_twenty():
    rows = make_rows()
    single = rows["truth"] == SINGLE
    hits = (rows["label"] != NO_CLASS) & (rows["label"] != NO_HIT)
    pure = single[rows["label"] == SINGLE].mean()
    found = (single & (rows["label"] == SINGLE)).sum() / (single & hits).sum()
    held = {"purity": 0, "recall": 0}

    for seed in range(300):
        check = answer(draw(rows, shots=40, others=60, seed=seed), rows)
        low, high = purity(check).interval
        held["purity"] += low <= pure <= high
        _, low, high = recall(check)
        held["recall"] += low <= found <= high

    assert min(held.values()) > 0.92 * 300
