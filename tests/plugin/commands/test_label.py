"""label, as a user calls it in a terminal, with keys through a pipe."""

import json
import os
import pty
import re
import select
import shlex
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import ConfigError, DataError
from specklenn.core.support import load_supports
from specklenn.plugin.commands import label as label_command

DOCS = Path(__file__).parents[3] / "docs/labelling.md"
CLASSES = ("single-hit", "multi-hit", "non-sample-hit")
DEMO = "configs/demo.yaml"
PATIENCE_S = 120
"""After which a program that draws nothing more fails its test."""


@pytest.fixture
def label(run_folder, tmp_path, monkeypatch, capsys):
    """Call the command in an empty folder with keys; returns code and output."""
    monkeypatch.chdir(tmp_path)
    for file in run_folder.path.iterdir():  # labels lie beside the data
        (tmp_path / file.name).symlink_to(file)

    def call(*words, keys="", run="run.cxi"):
        (tmp_path / "keys").write_text(keys)
        weights = ["--weights", str(run_folder.path / "w.safetensors")]
        arguments = [run, "--terminal", *weights]
        with open(tmp_path / "keys") as stream, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", stream)
            code = label_command.main([*arguments, *map(str, words)])
        return code, capsys.readouterr().out

    return call


def saved(name="run.labels.json"):
    found = json.loads(Path(name).read_text())
    return found.get("labels", found)


def test_keys_label_shot_after_shot_in_the_order_of_the_file(label):
    code, out = label("--order", "file", keys="1 3u2\n0 9px")

    assert code == 0
    assert saved() == {"0": "single-hit", "2": "multi-hit", "4": "no-hit"}
    assert out.endswith("3 labels in run.labels.json\n")


def test_the_next_sitting_goes_on_at_the_first_shot_without_a_label(label):
    label("--order", "file", keys="12q3")
    _, out = label("--order", "file", keys="3")

    assert out.startswith("shot 2: no label")
    assert saved() == {"0": "single-hit", "1": "multi-hit", "2": "non-sample-hit"}


def test_suggested_shots_make_a_support_set_that_runs(label, run_folder):
    _, out = label("--supports", "s.yaml", "--shots", 2, keys="123123123")

    supports = load_supports("s.yaml")
    assert "typical" in out
    assert sorted(supports.labels.tolist()) == sorted(CLASSES * 2)
    events = [int(origin.split()[-1]) for origin in supports.origins]
    first = dict.fromkeys(map(int, saved()))
    assert set(events) == set(list(first)[:6])


def test_psocakes_file_is_read_and_written_beside_ours(label):
    Path("amo06516_0094.label.json").write_text('{"4": "1"}')
    words = ("--order", "file", "--experiment", "amo06516", "--number", 94)

    label(*words, keys="3")

    assert saved() == {"4": "single-hit", "0": "non-sample-hit"}
    assert saved("amo06516_0094.label.json") == {"4": "1", "0": "0"}


def test_a_configuration_brings_name_calibration_and_hit_finder(label):
    words = ("--set", "hit_finder.minimum_lit_pixels=1000000")

    with pytest.raises(DataError, match="no shot of the run is a hit"):
        label(*words, run="run.yaml")

    code, _ = label("--set", "calibration.adu_per_photon=1", run="run.yaml", keys="1")
    assert code == 0
    assert len(saved("test_0094.label.json")) == 1


def test_files_can_be_written_of_labels_that_are_there(label, run_folder):
    Path("old.label.json").write_text(
        '{"0": "1", "1": "2", "4": "1", "3": "9", "2": "4"}'
    )

    code, out = label(
        *("--labels", "old.label.json", "--only-write"),
        *("--supports", "s.yaml", "--training", "t.h5"),
    )

    assert code == 0
    assert "wrote s.yaml, version 1: 2 single-hit, 1 multi-hit" in out
    made = labelled_dataset.read_dataset("t.h5")
    truth = labelled_dataset.read_dataset(run_folder.path / "run.cxi")
    assert made.labels.tolist() == ["single-hit", "multi-hit", "single-hit"]
    assert not Path("run.labels.json").exists()
    np.testing.assert_array_equal(made.patterns, truth.patterns[[0, 1, 4]])


def test_one_class_can_be_looked_through_again(label):
    label("--order", "file", keys="121212")

    _, out = label("--order", "file", "--filter", "multi-hit", keys=" 3")

    assert out.startswith("shot 1: multi-hit")
    assert saved()["4"] == "non-sample-hit"


def test_no_hits_are_offered_on_demand(label):
    label("--order", "file", "--no-hits", "--filter", "all", keys="0000")

    assert list(saved()) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("--classes", "a,a"), ConfigError, "1 to 8 different"),
        (("--classes", "1,2"), ConfigError, "not of digits alone"),
        (("--set", "fly=1"), ConfigError, "fly: unknown key"),
        (("--dataset", "/nothing"), DataError, "no dataset /nothing"),
        (("--labels", "bad.json"), DataError, "event 600: does not exist"),
        (("--labels", "run.cxi"), DataError, "run.cxi: no JSON"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_work(label, words, error, message):
    Path("bad.json").write_text('{"600": "1"}')

    with pytest.raises(error, match=message):
        label(*words)


def test_labels_of_one_class_alone_are_saved_but_make_no_supports(label):
    with pytest.raises(DataError, match="at least 2 expected"):
        label("--order", "file", "--supports", "s.yaml", keys="1")

    assert saved() == {"0": "single-hit"}


def test_labels_of_a_run_whose_file_is_called_alike_are_refused(label, draw_shots):
    for folder, seed in (("r0001", 1), ("r0002", 2)):
        Path(folder).mkdir()
        frames, names = draw_shots(40, seed)
        write_dataset(Path(folder, "hits.cxi"), frames, names)
    label("--order", "file", keys="12", run="r0001/hits.cxi")

    code, _ = label("--order", "file", keys="2", run="r0002/hits.cxi")

    assert saved("r0001/hits.labels.json") == {"0": "single-hit", "1": "multi-hit"}
    assert (code, saved("r0002/hits.labels.json")) == (0, {"0": "multi-hit"})
    with pytest.raises(DataError, match=r"labels of .*r0001/hits.cxi.* is another"):
        label("--labels", "r0001/hits.labels.json", run="r0002/hits.cxi")


def test_labels_that_earlier_versions_left_elsewhere_are_named(label, draw_shots):
    Path("r0001").mkdir()
    frames, names = draw_shots(40)
    write_dataset("r0001/hits.cxi", frames, names)
    Path("hits.labels.json").write_text('{"4": "multi-hit"}')

    _, out = label("--order", "file", keys="q", run="r0001/hits.cxi")
    assert "hits.labels.json in this folder is not read" in out
    Path("r0001/hits.labels.json").unlink()
    words = ("--labels", "hits.labels.json")
    _, out = label(*words, "--order", "file", keys="1", run="r0001/hits.cxi")

    assert "hits.labels.json: does not say to which data it belongs" in out
    assert saved("hits.labels.json") == {"4": "multi-hit", "0": "single-hit"}


def test_psocakes_file_that_is_named_is_kept_up_in_its_own_form(label):
    Path("mine.label.json").write_text('{"4": "1"}')

    label("--order", "file", "--labels", "mine.label.json", keys="3")

    assert saved("mine.label.json") == {"4": "1", "0": "0"}
    assert saved() == {"4": "single-hit", "0": "non-sample-hit"}


def test_codes_may_mean_something_else(label):
    Path("mine.label.json").write_text('{"4": "1", "0": "0", "8": "5"}')
    words = ("--labels", "mine.label.json", "--order", "file", "--only-write")

    label(*words, "--codes", "0=no-hit,1=multi-hit,5=drop", "--supports", "s.yaml")

    assert set(load_supports("s.yaml").classes) == {"multi-hit", "drop"}
    with pytest.raises(DataError, match="event 8: '5' found"):
        label(*words, "--supports", "s.yaml")


@pytest.mark.parametrize("codes", ["0", "a=b", "0=3", "0=", "0=no-hit,"])
def test_codes_that_are_none_are_wrong_usage(label, codes, capsys):
    with pytest.raises(SystemExit) as caught:
        label("--codes", codes)

    assert caught.value.code == 2
    assert (
        "codes and labels as 0=no-hit,1=single-hit expected" in capsys.readouterr().err
    )


def test_a_simulated_stream_is_no_run_to_label(tmp_path):
    with pytest.raises(ConfigError, match="label reads runs from files"):
        label_command.main([str(Path(label_command.__file__).parents[2] / DEMO)])


def test_a_display_that_is_gone_is_a_sentence_before_any_work(
    command, run_folder, tmp_path
):
    gone = {**os.environ, "DISPLAY": "localhost:10.0", "QT_QPA_PLATFORM": "xcb"}
    words = ("label", run_folder.path / "run.cxi", "--labels", "l.labels.json")

    done = command(*words, env=gone, cwd=tmp_path)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("specklenn label: the display (")
    assert done.stderr.endswith("or use --terminal\n")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_a_real_terminal_keys_and_signals_work(
    command, run_folder, tmp_path, number
):
    ours, theirs = pty.openpty()
    words = ("label", run_folder.path / "run.cxi", "--order", "file", "--terminal")
    words = (*words, "--labels", "l.labels.json")
    process = command(
        *words, start=True, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    path = tmp_path / "l.labels.json"

    shown = _until(ours, b"leave")
    os.write(ours, b"1")
    _until(ours, b"shot 0: single-hit")
    os.write(ours, b"\x1b[C2")
    _until(ours, b"shot 2: multi-hit")
    process.send_signal(number)
    _drain(ours)

    assert process.wait(PATIENCE_S) == 130
    assert "\N{UPPER HALF BLOCK}".encode() in shown
    assert saved(path) == {"0": "single-hit", "2": "multi-hit"}


def _until(terminal, words):
    """Read what a program draws until the words have come."""
    found, end = b"", time.monotonic() + PATIENCE_S
    while words not in re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", found):
        assert select.select([terminal], [], [], end - time.monotonic())[0], found
        found += os.read(terminal, 65536)
    return found


def _drain(terminal):
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # the program has closed its end
        os.close(terminal)


@pytest.mark.slow
def test_every_command_of_the_document_works(command, tmp_path):
    (tmp_path / "psocake.label.json").write_text('{"0": "1", "1": "2", "5": "3"}')
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    done = [
        command(*shlex.split(line)[1:], cwd=tmp_path, input="123123123123")
        for line in "".join(blocks).splitlines()
    ]

    assert [(each.returncode, each.stderr) for each in done] == [(0, "")] * 3
    for name in ("support.yaml", "from_psocake.yaml"):
        assert len(load_supports(tmp_path / name).classes) >= 2
    assert len(labelled_dataset.read_dataset(tmp_path / "labelled.h5").labels) == 12
