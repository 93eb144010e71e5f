"""The example of a source in a package of its own, installed as a user would."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/source_package"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables of a process that finds the package: installed, but not among ours."""
    folder = tmp_path_factory.mktemp("package")
    # A copy, as the build leaves files beside what it builds.
    source = shutil.copytree(EXAMPLE, folder / "source")
    place = folder / "installed"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    options += ["--disable-pip-version-check", "--target", place]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(place)}


@pytest.fixture(scope="module")
def config(run_folder, tmp_path_factory):
    """The run's configuration with its frames in a NumPy file."""
    folder = tmp_path_factory.mktemp("npy")
    frames = labelled_dataset.read_dataset(run_folder.path / "run.cxi").patterns
    np.save(folder / "frames.npy", frames)
    text = run_folder.config.read_text()
    for old, new in {
        "{kind: hdf5, path: run.cxi}": "{kind: npy, path: frames.npy}",
        "w.safetensors": f"{run_folder.path}/w.safetensors",
        "support.yaml": f"{run_folder.path}/support.yaml",
        "publish:": f"calibration: {{mask_file: {run_folder.path}/run.cxi}}\npublish:",
    }.items():
        text = text.replace(old, new)
    (folder / "npy.yaml").write_text(text)
    return folder / "npy.yaml"


def rows(folder):
    with h5py.File(folder / "results.h5") as file:
        return np.sort(file["rows"][()], order="index")


def test_a_run_reads_all_shots_through_the_installed_package(
    environment, config, run_folder, command, tmp_path
):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"

    for path, folder in ((run_folder.config, ours), (config, theirs)):
        setting = f"output.folder={folder}"
        done = command("run", path, "--set", setting, env=environment)
        assert done.returncode == 0, done.stderr

    assert rows(theirs)["index"].tolist() == list(range(run_folder.shots))
    for name in ("label", "lit_pixels", "flags"):
        np.testing.assert_array_equal(rows(theirs)[name], rows(ours)[name])


def test_the_kind_is_checked_and_named_as_the_packaged_ones_are(
    environment, config, run_folder, command
):
    def check(*settings):
        words = [word for setting in settings for word in ("--set", setting)]
        return command("config", "check", config, *words, env=environment)

    good, missing = check(), check("source.path=none.npy")
    wrong_key, wrong_kind = check("source.dataset=/a"), check("source.kind=nosuch")

    assert f"good: {run_folder.shots} shots of frames (100, 100)" in good.stdout
    assert "none.npy: no stack of frames" in missing.stderr
    assert "source.dataset: unknown key" in wrong_key.stderr
    assert re.search(r"'nosuch' found, expected .*'npy'", wrong_kind.stderr)
    assert {missing.returncode, wrong_key.returncode, wrong_kind.returncode} == {2}


def test_the_docs_show_the_module_of_the_example():
    shown = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/sources.md").read_text(), re.DOTALL
    )

    assert (EXAMPLE / "specklenn_npy.py").read_text() in shown


def test_the_docs_show_the_entry_point_of_the_example():
    shown = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs/sources.md").read_text(), re.DOTALL
    )

    assert shown
    assert all(block in (EXAMPLE / "pyproject.toml").read_text() for block in shown)


def test_the_docs_list_every_packaged_kind():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    group = parser["options.entry_points"]["specklenn.sources"]
    packaged = re.findall(r"^(\S+) =", group, re.MULTILINE)

    table, _, _ = (ROOT / "docs/sources.md").read_text().partition("## A kind")
    listed = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)

    assert sorted(listed) == sorted(packaged)
