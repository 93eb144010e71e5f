"""Kinds of sources are found by the entry points of installed packages."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest

from specklenn.core.config.loading import load_config
from specklenn.core.data import sources
from specklenn.core.data.sources import ConfigFolder, SourceSettings, find_kind, kinds
from specklenn.core.errors import ConfigError

RUN = "source: {kind: noise, shots: %s}\nsupport: {file: s.yaml}\n"


class Noise(SourceSettings):
    kind: Literal["noise"]
    shots: int = 3


NOT_A_SOURCE = 5


@pytest.fixture
def install(monkeypatch):
    """Pretend that a package with one more entry point is installed."""

    def installed(value, name="noise"):
        more = EntryPoint(name, value, sources.GROUP)
        found = (*sources._entry_points(), more)
        monkeypatch.setattr(sources, "_entry_points", lambda: found)

    return installed


@pytest.fixture
def this_module(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "noise_package", sys.modules[__name__])
    return "noise_package"


def test_the_packaged_kinds_are_found_in_the_way_of_anybodys():
    assert {"hdf5", "simulated"} <= set(kinds())
    assert find_kind("hdf5").__module__ == "specklenn.plugin.sources.hdf5"


def test_a_package_adds_a_kind(install, this_module, tmp_path):
    install(f"{this_module}:Noise")
    (tmp_path / "a.yaml").write_text(RUN % 4)

    loaded = load_config(tmp_path / "a.yaml", ["source.shots=9"])

    assert loaded.settings.source == Noise(kind="noise", shots=9)
    assert loaded.settings.model_dump()["source"] == {"kind": "noise", "shots": 9}


def test_wrong_values_of_an_added_kind_are_named(install, this_module, tmp_path):
    install(f"{this_module}:Noise")
    (tmp_path / "a.yaml").write_text(RUN % "many")

    with pytest.raises(ConfigError, match=r"a.yaml:1: source.shots: 'many' found"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_package:Noise", "entry point no_such_package:Noise: cannot be"),
        ("noise_package:Nothing", "cannot be imported"),
        ("noise_package:NOT_A_SOURCE", "5 found, a SourceSettings expected"),
    ],
)
def test_a_broken_package_is_named(install, this_module, value, words):
    install(value)

    with pytest.raises(ConfigError, match=words):
        find_kind("noise")


def test_file_names_start_from_the_configurations_folder_unless_given_by_hand():
    place = ConfigFolder(folder=Path("/data"), typed=frozenset({"geometry"}))

    assert place.path("run.h5") == Path("/data/run.h5")
    assert place.path("a.geom", "geometry") == Path("a.geom")


def test_a_kind_with_neither_run_nor_stream_says_so():
    noise = Noise(kind="noise")

    assert noise.open(ConfigFolder()) is None
    with pytest.raises(NotImplementedError, match="noise has no run and no stream"):
        noise.join(sources.Share())
