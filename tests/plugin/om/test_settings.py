"""What a configuration may say of OM, without OM."""

import importlib.util
import sys

import numpy as np
import pytest
import yaml

from specklenn.core.config.loading import load_config, resolved_yaml
from specklenn.core.errors import ConfigError, MissingPackageError
from specklenn.plugin.commands import om
from specklenn.plugin.job import check_command
from specklenn.plugin.om import host
from specklenn.plugin.om.settings import OmSettings
from specklenn.plugin.packaged_configs import find_config

SOURCE = {
    "kind": "om",
    "om": {"data_retrieval_layer": "PilatusFilesDataRetrieval"},
    "data_retrieval_layer": {
        "required_data": ["timestamp", "detector_data"],
        "fallback_beam_energy_in_eV": 1600,
    },
}


@pytest.fixture
def load(tmp_path):
    def call(*overrides, source=SOURCE):
        path = tmp_path / "om.yaml"
        path.write_text(
            yaml.safe_dump({"source": source, "support": {"file": "s.yaml"}})
        )
        return load_config(path, overrides)

    return call


def test_the_packaged_configuration_is_one_of_om():
    loaded = load_config(find_config("om"))

    assert isinstance(loaded.settings.source, OmSettings)


def test_oms_groups_reach_om_as_they_are_written(load):
    groups = load().settings.source.groups

    assert set(groups) == {"om", "data_retrieval_layer"}
    assert groups["om"]["data_retrieval_layer"] == "PilatusFilesDataRetrieval"
    assert groups["data_retrieval_layer"] == SOURCE["data_retrieval_layer"]


def test_the_resolved_configuration_can_be_loaded_again(load, tmp_path):
    settings = load().settings
    (tmp_path / "again.yaml").write_text(resolved_yaml(settings))

    again = load_config(tmp_path / "again.yaml").settings

    assert resolved_yaml(again) == resolved_yaml(settings)


def test_all_problems_of_oms_groups_are_told_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load(
            "source.om.processing_layer=CrystallographyProcessing",
            "source.om.prallelization_layer=MpiParallelization",
            "source.crystallography={geometry_file: a.geom}",
            "source.data_retrieval_layer.required_data=[timestamp]",
            "source.viewer.endpoint=tcp://0.0.0.0:12321",
            "hit_finder.mimimum=3",
        )

    assert sorted(line.split(": ")[1] for line in caught.value.problems) == [
        "hit_finder.mimimum",
        "source.crystallography",
        "source.data_retrieval_layer.required_data",
        "source.om.prallelization_layer",
        "source.om.processing_layer",
        "source.viewer",
    ]
    assert "expected 'SpecklennProcessing'" in str(caught.value)
    assert "a list with detector_data in it" in str(caught.value)


def test_the_viewers_socket_may_be_opened_to_others_on_purpose(load):
    loaded = load("source.viewer={endpoint: 'tcp://0.0.0.0:12321', allow_remote: true}")

    assert loaded.settings.source.viewer.allow_remote


def test_a_run_of_ours_says_which_command_is_meant(load):
    with pytest.raises(ConfigError, match="'om' found, which `specklenn om` runs"):
        check_command(load(), "run")


def test_another_kind_of_source_is_refused_with_its_line(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("source:\n  kind: hdf5\n  path: run.cxi\nsupport: {file: s.yaml}\n")

    with pytest.raises(
        ConfigError, match=r"run\.yaml:2: .*'hdf5' found, which `specklenn run` runs"
    ):
        check_command(load_config(path), "om")


def test_a_job_of_one_is_refused(monkeypatch):
    monkeypatch.setattr(om, "world", lambda: None)

    with pytest.raises(ConfigError, match="mpirun -n 2 specklenn om"):
        om.main(["om", "files.txt"])


@pytest.fixture
def without_om(monkeypatch):
    """Hide OM, and undo what is done for it."""
    for name in [name for name in sys.modules if name.split(".")[0] == "om"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "om", None)
    monkeypatch.setattr(np, "float_", np.float64, raising=False)
    monkeypatch.setenv("PS_PARALLEL", "none")


def test_a_missing_om_is_one_sentence_with_the_command(load, without_om):
    loaded = load()

    with pytest.raises(MissingPackageError) as caught:
        loaded.settings.source.check(loaded.folder)

    assert len(str(caught.value).splitlines()) == 1
    assert 'pip install "specklenn[om]"' in str(caught.value)
    assert caught.value.exit_code == 2


def test_nothing_of_om_is_loaded_before_it_is_needed():
    before = set(sys.modules)

    load_config(find_config("om"))

    assert importlib.util.find_spec("specklenn.plugin.om.host") is not None
    assert not any(name.startswith("om.") for name in set(sys.modules) - before)
    assert host.__name__ in sys.modules
