import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.checks import (
    check_classes,
    check_leakage,
    check_samples,
)
from specklenn.core.evaluation.labelled_file import LabelledFile


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["single-hit"], "single-hit alone, at least two expected"),
        (
            ["single-hit", "multi"],
            r"no pattern of 'multi' in .*its labels are 'multi-h",
        ),
        (["single-hit", "multi-hit+no-hit"], "no pattern of 'no-hit' in"),
        (["single-hit", "multi-hit+single-hit"], "'single-hit' found more than once"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(clean_file, classes, said):
    with pytest.raises(ConfigError, match=said):
        check_classes(clean_file, classes)


def test_classes_that_are_there_may_be_told_apart(clean_file):
    check_classes(clean_file, ["multi-hit", "single-hit"])


def test_samples_that_are_not_in_the_file_are_refused(clean_file):
    check_samples(clean_file, ["small"])

    with pytest.raises(ConfigError, match=r"no sample 'tiny' in .* are large, middle"):
        check_samples(clean_file, ["small", "tiny"])


@pytest.fixture
def write(tmp_path):
    """Write a single- and a multi-hit of each of some samples; return the file."""

    def call(name, samples):
        labels = np.tile(["single-hit", "multi-hit"], 2)
        names = None if samples is None else np.repeat(samples, 2)
        write_dataset(tmp_path / name, np.ones((4, 8, 8)), labels, names=names)
        return LabelledFile(tmp_path / name)

    return call


def test_other_samples_may_be_trained_on(write):
    data = write("data.h5", ["left", "right"])

    check_leakage(data, [])
    check_leakage(data, [write("t.h5", ["x", "y"])])


def test_training_on_a_tested_sample_is_refused(write):
    data, clean = write("data.h5", ["left", "right"]), write("c.h5", ["x", "y"])
    leaking = write("t.h5", ["x", "right"])

    with pytest.raises(ConfigError, match=r"t\.h5 has right of .*data\.h5 too"):
        check_leakage(data, [clean, leaking])


def test_training_data_without_sample_names_are_refused(write):
    data, nameless = write("data.h5", ["left", "right"]), write("t.h5", None)

    with pytest.raises(ConfigError, match=r"t\.h5 has no sample names"):
        check_leakage(data, [nameless])
    check_leakage(nameless, [])
