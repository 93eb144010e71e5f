from pathlib import Path

import h5py
import numpy as np
import pytest

from specklenn.core.config.loading import load_config
from specklenn.core.data import labelled_dataset
from specklenn.core.errors import ConfigError
from specklenn.core.network import checkpoint
from specklenn.plugin.commands.demo import free_port
from specklenn.plugin.job import Job
from specklenn.plugin.startup import prepare_run


def test_a_prepared_run_says_what_its_shots_are_classified_by(run_folder):
    prepared = prepare_run(load_config(run_folder.config))

    weights = run_folder.path / "w.safetensors"
    assert prepared.weights.content == weights.read_bytes()
    assert prepared.first.weights_sha256 == checkpoint.file_hash(weights)
    assert prepared.first.support_version == 3
    assert prepared.shape == (100, 100)


def test_a_class_that_no_shot_can_get_is_not_waited_for(run_folder):
    words = "output.save_classes=[single-hit,cube]"

    notes = prepare_run(load_config(run_folder.config, [words])).facts.notes

    assert notes[-1] == (
        "--set: output.save_classes: cube found, none is saved; the classes of this "
        "run are single-hit, multi-hit, non-sample-hit, no-hit, unknown"
    )
    assert not prepare_run(load_config(run_folder.config)).facts.notes


def test_the_weights_are_read_once_where_a_run_takes_orders(
    run_folder, tmp_path, monkeypatch
):
    read, opened = Path.read_bytes, []

    def watched(path):
        opened.append(path.name)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    loaded = load_config(
        run_folder.config,
        [
            "control.enabled=true",
            f"control.endpoint=tcp://127.0.0.1:{free_port()}",
            f"output.folder={tmp_path}",
        ],
    )

    job = Job(loaded, rank=0, size=1)
    job.update_requests.close()

    assert opened.count("w.safetensors") == 1


def test_missing_weights_and_a_missing_run_are_said_together(run_folder):
    loaded = load_config(
        run_folder.config, ["model.weights=no.safetensors", "source.path=no.cxi"]
    )

    with pytest.raises(ConfigError) as caught:
        prepare_run(loaded)

    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 2
    assert "no.safetensors: no such file" in text
    assert "no.cxi" in text


@pytest.fixture
def own_run(run_folder, tmp_path):
    """Write a run of the same shots with something else in it; returns its words."""

    def write(frames, **datasets):
        with h5py.File(tmp_path / "own.h5", "w") as file:
            file[labelled_dataset.DATA] = frames
            for name, values in datasets.items():
                file[name] = values
        return [f"source.path={tmp_path / 'own.h5'}"]

    return write


def test_a_run_says_how_many_pixels_are_masked_and_by_what(
    run_folder, own_run, draw_shots, tmp_path
):
    mask = np.zeros((100, 100), np.uint16)
    mask[:, :3] = 8
    mask[:, 50] = 0x4000
    with h5py.File(tmp_path / "extra.h5", "w") as file:
        file[labelled_dataset.MASK] = np.eye(100, dtype=np.uint8)
    words = own_run(draw_shots(20)[0], **{labelled_dataset.MASK: mask})
    extra = f"calibration.mask_file={tmp_path / 'extra.h5'}"

    prepared = prepare_run(load_config(run_folder.config, [*words, extra]))

    assert prepared.facts.masked == (
        f"397 of 10000 pixels are masked: 300 by {tmp_path}/own.h5:"
        f"{labelled_dataset.MASK} (300 dead); used: 100 photon background corrected, "
        f"100 by {tmp_path}/extra.h5"
    )


def test_the_bits_that_mask_can_be_chosen(run_folder, own_run, draw_shots):
    mask = np.full((100, 100), 0x4000, np.uint16)
    mask[0, 0] = 1
    words = own_run(draw_shots(20)[0], **{labelled_dataset.MASK: mask})

    chosen = prepare_run(load_config(run_folder.config, [*words, "source.mask_bits=1"]))

    assert chosen.mask.sum() == 1
    with pytest.raises(ConfigError, match="cannot be used: flat, empty, NaN or all"):
        prepare_run(load_config(run_folder.config, [*words, "source.mask_bits=any"]))


@pytest.mark.parametrize("value", ["cxl", "0", "-1", "1.5", "[1]"])
def test_bits_that_are_none_are_refused(run_folder, value):
    with pytest.raises(ConfigError, match=r"source\.mask_bits"):
        load_config(run_folder.config, [f"source.mask_bits={value}"])


def test_a_name_with_a_typing_error_is_refused_with_what_there_is(run_folder):
    for key in ("mask_dataset", "label_dataset", "timestamp_dataset", "dataset"):
        loaded = load_config(run_folder.config, [f"source.{key}=/entry_1/data_1/msak"])

        with pytest.raises(ConfigError) as caught:
            prepare_run(loaded)

        assert (
            "run.cxi: no dataset /entry_1/data_1/msak; datasets found: /entry_1/"
            in (str(caught.value))
        )
