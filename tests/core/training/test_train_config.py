"""What a training's file says; trainings made of it: test_training_loop.py."""

from pathlib import Path

import pytest

from specklenn.core.settings_file import Document, validate
from specklenn.core.training.settings import Episodes
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
    data = {"data": ["d.h5"], "output": "m.safetensors", "start": written}

    run = validate(TrainingRun, Document(data, "a.yaml", folders=(Path("/here"),)))

    assert run.start == tuple(map(Path, meant))


def test_the_key_for_episodes_of_the_version_before_is_still_read():
    assert Episodes.model_validate({"scenes": 7}).per_step == 7
