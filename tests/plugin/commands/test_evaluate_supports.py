"""evaluate --supports says of a labelled file what run says, shot by shot."""

import json

import h5py
import numpy as np
import pytest
from scipy import stats

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.data.labelled_dataset import read_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands import evaluate


@pytest.fixture
def evaluated(run_folder, tmp_path):
    """Evaluate the shots of a run with its supports; returns the JSON."""

    def call(*words, data=run_folder.path / "run.cxi"):
        found = tmp_path / "found.json"
        code = evaluate.main(
            [
                str(data),
                *("--supports", str(run_folder.path / "support.yaml")),
                *("--weights", str(run_folder.path / "w.safetensors")),
                *("--json", str(found)),
                *map(str, words),
            ]
        )
        assert code == 0
        return json.loads(found.read_text())

    return call


@pytest.mark.parametrize("rule", ["mean", "ensemble"])
def test_every_shot_is_called_what_the_run_calls_it(
    evaluated, run_folder, tmp_path, command, rule
):
    output = tmp_path / "out"
    ran = command(
        "run",
        run_folder.config,
        *("--set", f"output.folder={output}", "--set", f"classify.rule={rule}"),
        "--quiet",
    )
    assert ran.returncode == 0, ran.stderr

    found = evaluated("--rule", rule)

    with h5py.File(output / "results.h5") as file:
        rows, classes = file["rows"][()], file.attrs["classes"]
    rows = rows[np.argsort(rows["index"])]
    assert np.array(classes)[rows["label"]].tolist() == found["labels"]
    scores = np.array(found["scores"], float)
    np.testing.assert_allclose(scores, rows["score"], rtol=1e-3, atol=1e-4)
    assert found["rule"] == rule
    assert found["support_version"] == 3


def test_confusion_accuracy_and_the_share_of_unknown_follow_from_the_labels(
    evaluated, run_folder, capsys
):
    found = evaluated("--rule", "mean", "--set", "classify.reject_below_score=0.9")

    truth = read_dataset(run_folder.path / "run.cxi").labels
    labels = np.array(found["labels"])
    unknown = labels == "unknown"
    hits = labels != "no-hit"
    assert 0 < unknown.sum() < len(labels)
    assert found["judged"] == len(truth)
    assert found["accuracy"] == pytest.approx((labels == truth).mean())
    wilson = stats.binomtest(int((labels == truth).sum()), 600)
    low, high = wilson.proportion_ci(0.95, method="wilson")
    assert found["ci95"] == pytest.approx([low, high])
    right = (labels == truth)[~unknown].mean()
    assert found["accuracy_of_known"] == pytest.approx(right)
    assert found["unknown"] == found["unsure"] == pytest.approx(unknown[hits].mean())
    assert found["far"] == 0.0
    for true, counts in found["confusion"].items():
        expected = {name: int((labels[truth == true] == name).sum()) for name in counts}
        assert counts == expected
    printed = capsys.readouterr()
    assert f"right: {100 * found['accuracy']:.1f} % of 600" in printed.out
    assert "15 of the supports are shots of this file" in printed.err


def test_labels_that_are_no_class_of_the_supports_stand_in_the_confusion_alone(
    evaluated, draw_shots, mask, tmp_path
):
    frames, names = draw_shots(40, seed=5)
    names = np.where(names == "non-sample-hit", "ice", names)
    write_dataset(tmp_path / "ice.h5", frames, names, mask=mask)

    found = evaluated(data=tmp_path / "ice.h5")

    assert found["judged"] == 30
    assert sum(found["confusion"]["ice"].values()) == 10
    assert found["notes"] == []


def test_a_file_without_labels_is_refused(evaluated, draw_shots, mask, tmp_path):
    write_dataset(tmp_path / "bare.h5", draw_shots(8)[0], None, mask=mask)

    with pytest.raises(DataError, match=r"bare\.h5: no shot has a label"):
        evaluated(data=tmp_path / "bare.h5")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--report", "r"], "--report"),
        (["--disturb", "gap"], "--disturb"),
        (["--fluence-scan", "1"], "--fluence-scan"),
    ],
)
def test_what_draws_its_own_supports_does_not_go_together_with_given_ones(
    evaluated, words, expected
):
    with pytest.raises(ConfigError, match=f"does not go together with {expected}"):
        evaluated(*words)


def test_values_to_set_need_supports(run_folder):
    data = str(run_folder.path / "run.cxi")

    with pytest.raises(ConfigError, match="--set: goes together with --supports FILE"):
        evaluate.main([data, "--set", "hit_finder.enabled=false"])
