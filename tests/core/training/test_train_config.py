"""What a training's file says; trainings made of it: test_training_loop.py."""

from pathlib import Path

import pytest

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
    run = TrainingRun(data=["d.h5"], output="m.safetensors", start=written)

    assert run.located(Path("/here")).start == tuple(map(Path, meant))


def test_the_key_for_episodes_of_the_version_before_is_still_read(caplog):
    assert Episodes.model_validate({"scenes": 7}).per_step == 7
    assert caplog.messages == [
        "scenes is called per_step now; the old key is read for now"
    ]
