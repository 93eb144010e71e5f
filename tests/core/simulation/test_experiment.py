from pathlib import Path

import pytest
from pydantic import ValidationError

from specklenn.core.labels import MULTI_HIT, NO_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.settings_file import Document, validate
from specklenn.core.simulation.experiment import Experiment, StructureFile


def test_classes_that_occur_come_in_display_order():
    shares = {NO_HIT: 3.0, NON_SAMPLE_HIT: 0.0, MULTI_HIT: 1.0, SINGLE_HIT: 1.0}

    experiment = Experiment.model_validate({"procedural": {}, "fractions": shares})

    assert experiment.classes == (SINGLE_HIT, MULTI_HIT, NO_HIT)


def test_the_default_is_the_benchmark():
    experiment = Experiment.model_validate({"procedural": {}})

    assert experiment.classes == (SINGLE_HIT, MULTI_HIT)
    assert experiment.hits == (2, 3, 4)
    assert experiment.beam.photons_per_pulse == 1e12
    assert experiment.detector.shape == (172, 172)
    assert not experiment.average_fringes


def test_relative_files_start_from_the_folder(tmp_path):
    settings = {
        "structures": ["one.pdb", "/there/two.pdb", {"file": "three", "assembly": "2"}],
        "detector": {"positions": "pixels.npy"},
    }

    located = validate(Experiment, Document(settings, "a.yaml", folders=(tmp_path,)))

    assert located.structures == (
        tmp_path / "one.pdb",
        Path("/there/two.pdb"),
        StructureFile(file=tmp_path / "three", assembly="2"),
    )
    assert located.detector.positions == tmp_path / "pixels.npy"


@pytest.mark.parametrize(
    "sample",
    [
        {"procedural": {}},
        {"random_bodies": {}},
        {"structures": ["one.pdb"]},
        {"bodies": [{"name": "virus", "radius_angstrom": (300, 350)}]},
    ],
)
def test_a_sample_of_any_kind_is_enough(sample):
    assert Experiment.model_validate(sample).classes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one sample"),
        ({"procedural": None, "structures": [], "bodies": []}, "at least one sample"),
        ({"procedural": {}, "fractions": {"double-hit": 1}}, "unknown classes"),
        ({"procedural": {}, "fractions": {"no-hit": 0}}, "shares"),
        ({"procedural": {}, "fractions": {}}, "shares"),
        ({"procedural": {}, "fractions": {"no-hit": -1, "single-hit": 3}}, "shares"),
        ({"procedural": {}, "hits": [1, 2]}, "2 to 100 particles"),
        ({"procedural": {}, "hits": []}, "at least 1 item"),
        ({"procedural": {}, "pool": 0}, "pool"),
        ({"procedural": {}, "fluence": -1}, "greater than 0"),
        ({"procedural": {}, "fluence": 0}, "greater than 0"),
        ({"procedural": {}, "background_photons": -1}, "greater than or equal to 0"),
        ({"procedural": {}, "seed": -1}, "greater than or equal to 0"),
        ({"procedural": {}, "placement": "stacked"}, "'touching' or 'dispersed'"),
        ({"procedural": {}, "particles": 3}, "Extra inputs"),
        ({"procedural": {"count": 0}}, "greater than or equal to 1"),
        ({"structures": [{"assembly": "1"}]}, "file"),
    ],
)
def test_impossible_experiments_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate(values)
