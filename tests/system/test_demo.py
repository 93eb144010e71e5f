"""``specklenn demo``, shortened: mpirun, live stream, window, summary, files."""

import h5py
import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.errors import MissingPackageError
from specklenn.plugin.commands import demo


@pytest.mark.mpi
@pytest.mark.slow
def test_the_demo_shows_and_writes_what_it_promises(command, tmp_path):
    done = command("demo", "--duration", 5, "--output", tmp_path / "o", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Truth (rows) and classification (columns)" in done.stdout
    for name in ("results.h5", "hits.cxi", "run.log", "monitor.png"):
        assert f"wrote {tmp_path}/o/{name}" in done.stdout
        assert (tmp_path / "o" / name).stat().st_size > 1000
    with h5py.File(tmp_path / "o/results.h5") as file:
        rows = file["rows"][()]
        classes = list(file.attrs["classes"])
    assert sorted(rows["index"]) == list(range(600))
    assert set(rows["rank"]) == {1, 2}
    agreement = (rows["label"] == rows["truth"]).mean()
    assert agreement > 0.9
    hits = labelled_dataset.read_dataset(tmp_path / "o/hits.cxi")
    assert len(hits.patterns) == (rows["label"] == classes.index("single-hit")).sum()
    assert np.isfinite(hits.patterns).all()


@pytest.mark.parametrize(
    ("environment", "seen"),
    [({}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)],
)
def test_the_window_opens_where_it_would_be_seen(environment, seen, monkeypatch):
    monkeypatch.setattr(demo.sys, "platform", "linux")

    assert demo.has_display(environment) is seen


def test_without_mpirun_the_demo_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr(demo.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingPackageError, match="pip install"):
        demo.find_mpirun()
