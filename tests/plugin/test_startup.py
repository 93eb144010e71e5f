from pathlib import Path

import pytest

from specklenn.core.config.loading import load_config
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
