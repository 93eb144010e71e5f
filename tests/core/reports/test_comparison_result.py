import csv
import io
import json
import math

import pytest

from specklenn.core.evaluation.classifiers import Row
from specklenn.core.evaluation.comparison import Comparison
from specklenn.core.evaluation.measurement import EvaluationSettings
from specklenn.core.reports.comparison_result import ComparisonReport, draw_methods

OWN = Row(method="m", variant="mean", trained_on="own data", sees_supports=True)
OTHER = Row(method="m", variant="prototype", trained_on="own data", sees_supports=True)
OFFLINE = Row(method="b", variant="pixels", trained_on="--train", sees_supports=False)


def summary(accuracy):
    return {
        "accuracy": accuracy,
        "ci95": [accuracy - 0.1, accuracy + 0.1],
        "f1": 0.5,
        "per_sample": {"x": {}, "y": {}},
    }


def compared(accuracies, shots=("1", "5")):
    scores = {
        row: {number: summary(accuracy) for number in shots}
        for row, accuracy in zip((OWN, OTHER, OFFLINE), accuracies, strict=True)
    }
    return Comparison(scores=scores, left_out=(), patterns=8)


def report_of(by_fluence):
    return ComparisonReport(
        data="d.h5",
        models={"m": "abc"},
        train=("t.h5",),
        conditions=EvaluationSettings(shots=(1, 5)),
        compared=by_fluence,
    )


def test_the_table_has_a_line_for_every_row_and_number_of_shots():
    report = report_of({None: compared([0.9, 0.8, 0.7])})

    lines = list(csv.reader(io.StringIO(report.as_csv())))

    assert len(lines) == 1 + 3 * 2
    shown = ["0.7000", "0.6000", "0.8000", "0.5000", "2"]
    assert lines[-1] == ["", "b", "pixels", "--train", "no", "5", *shown]


def test_the_scores_keep_what_each_row_was_trained_on():
    found = json.loads(report_of({None: compared([0.9, 0.8, 0.7])}).as_json())

    assert found["models"] == {"m": "abc"}
    last = found["results"][-1]
    assert last["trained_on"] == "--train"
    assert last["sees_supports"] is False
    assert last["shots"]["5"]["accuracy"] == 0.7


@pytest.fixture
def scan():
    """At the lowest fluence too few patterns are left for five supports."""
    return report_of(
        {
            0.1: compared([0.6, 0.5, 0.5], shots=("1",)),
            1.0: compared([0.9, 0.8, 0.7]),
            10.0: compared([1.0, 0.9, 0.6]),
        }
    )


def test_a_scan_is_shown_at_the_baseline_and_at_the_middle_number_of_shots(scan):
    assert scan.fluence == 1.0
    assert scan.main_shots == "5"
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
