import csv
import io
import json
import math

import pytest

from specklenn.core.evaluation.classifiers import MethodVariant
from specklenn.core.evaluation.few_shot import EvaluationSettings
from specklenn.core.reports.comparison_result import ComparisonResult, draw_methods
from specklenn.core.reports.scores_json import comparison_json


def variant(method, name, trained_on, sees_supports=True):
    return MethodVariant(
        method=method, variant=name, trained_on=trained_on, sees_supports=sees_supports
    )


OWN = variant("m", "mean", "own data")
OTHER = variant("m", "prototype", "own data")
OFFLINE = variant("b", "pixels", "--train", sees_supports=False)


@pytest.fixture
def compared(make_summary, make_scores):
    """Make the scores of the three variants, the same at all numbers of supports."""

    def call(accuracies, numbers=(1, 5)):
        variants = zip((OWN, OTHER, OFFLINE), accuracies, strict=True)
        return make_scores(
            {
                variant: {n: make_summary(accuracy, x=0.5, y=0.5) for n in numbers}
                for variant, accuracy in variants
            }
        )

    return call


@pytest.fixture
def plain(compared):
    """Without a scan."""
    return result_of({None: compared([0.9, 0.8, 0.7])})


def result_of(by_fluence):
    return ComparisonResult(
        data="d.h5",
        models={"m": "abc"},
        train=("t.h5",),
        settings=EvaluationSettings(n_shot=(1, 5)),
        by_fluence=by_fluence,
    )


def test_the_table_has_a_line_for_every_variant_and_number_of_supports(plain):
    lines = list(csv.reader(io.StringIO(plain.as_csv())))

    assert len(lines) == 1 + 3 * 2
    shown = ["0.7000", "0.6000", "0.8000", "0.5000", "2"]
    assert lines[-1] == ["", "b", "pixels", "--train", "no", "5", *shown]


def test_the_scores_keep_what_each_variant_was_trained_on(plain):
    found = json.loads(comparison_json(plain))

    assert found["models"] == {"m": "abc"}
    last = found["results"][-1]
    assert last["trained_on"] == "--train"
    assert last["sees_supports"] is False
    assert last["shots"]["5"]["accuracy"] == 0.7


@pytest.fixture
def scan(compared):
    """At the lowest fluence too few patterns are left for five supports."""
    return result_of(
        {
            0.1: compared([0.6, 0.5, 0.5], numbers=(1,)),
            1.0: compared([0.9, 0.8, 0.7]),
            10.0: compared([1.0, 0.9, 0.6]),
        }
    )


def test_a_scan_is_shown_at_the_baseline_and_at_the_middle_number_of_supports(scan):
    assert scan.fluence == 1.0
    assert scan.main.main_n_shot == 5
    assert math.isnan(scan.accuracies(OWN)[0])
    assert scan.accuracies(OWN)[1:] == [0.9, 1.0]


def test_the_figure_has_a_line_per_method_with_its_first_variant(scan):
    pytest.importorskip("matplotlib")

    (axes,) = draw_methods(scan).axes

    drawn = {line.get_label(): line for line in axes.lines[:-1]}
    assert list(drawn) == [
        "m, mean; trained on own data",
        "b, pixels; trained on --train",
    ]
    line = drawn["b, pixels; trained on --train"]
    assert line.get_linestyle() == "--"
    assert line.get_xdata().tolist() == [0.1, 1.0, 10.0]
    assert line.get_ydata().tolist()[1:] == [0.7, 0.6]
