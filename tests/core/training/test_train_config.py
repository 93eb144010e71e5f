"""What a training's file says; trainings made of it: test_training_loop.py."""

from pathlib import Path

import pytest

from specklenn.core.training.train_config import TrainingRun


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, ()),
        ("a.safetensors", ("/here/a.safetensors",)),
        (
            ["a.safetensors", "/there/b.safetensors"],
            ("/here/a.safetensors", "/there/b.safetensors"),
        ),
    ],
)
def test_a_training_starts_from_no_weights_from_one_file_or_from_several(
    written, meant
):
    run = TrainingRun(data=["d.h5"], output="m.safetensors", start=written)

    assert run.located(Path("/here")).start == tuple(map(Path, meant))
