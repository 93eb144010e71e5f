import numpy as np
import pytest
import torch

from specklenn.core import checkpoint
from specklenn.core.checkpoint import Card
from specklenn.core.errors import DataError
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.preprocess import Preprocessing
from specklenn.core.training.data import TrainingData
from specklenn.core.training.scenes import SceneSettings
from specklenn.core.training.settings import Episodes, Training
from specklenn.core.training.state import resume, save_state
from specklenn.core.training.trainer import Trainer

CLASSES = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
BRIGHT = SceneSettings(fluence=(5.0, 20.0))
FEW_SHOT = Training(
    network="compact-1",
    episodes=Episodes(scenes=2, patterns_per_class=6, datasets=(BRIGHT, BRIGHT)),
    preprocess=Preprocessing(crop=32, bin=1),
    classes=CLASSES,
    embedding_size=16,
    learning_rate=3e-3,
    steps=40,
)


def make_data(samples=4):
    """Round blobs; the same with fringes; streaks. Two datasets of two samples."""
    random = np.random.default_rng(0)
    axis = np.arange(44) - 21.5
    patterns = []
    for sample in range(samples):
        blob = 8 * np.exp(-(axis[:, None] ** 2 + axis**2) / (60 + 30 * sample))
        streak = 8 * np.exp(-((axis[:, None]) ** 2) / 8) * np.ones(44)
        for label in range(3):
            for _ in range(8):
                wave = 1 + np.cos(axis * (1.2 + 0.1 * sample) + random.uniform(0, 6))
                patterns.append([blob, blob * wave, streak][label])
    rows = torch.arange(24 * samples)
    return TrainingData(
        patterns=torch.tensor(np.array(patterns), dtype=torch.float16),
        bad=torch.zeros(44, 44, dtype=torch.bool),
        samples=rows // 24,
        labels=rows // 8 % 3,
        classes=CLASSES,
        files=(rows >= 48).long(),
    )


def test_few_shot_training_learns_and_the_model_can_be_saved(tmp_path):
    torch.manual_seed(0)
    trainer = Trainer(FEW_SHOT, make_data())

    losses = [trainer.step().loss for _ in range(FEW_SHOT.steps)]

    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    path = tmp_path / "m.safetensors"
    checkpoint.save(path, trainer.trained(), FEW_SHOT.preprocess, Card(name="m"))
    loaded = checkpoint.load(path)
    assert loaded.encoder.architecture == "compact-1"
    pictures = torch.randn(3, 1, 32, 32)
    with torch.inference_mode():
        difference = loaded.encoder(pictures) - trainer.trained()(pictures)
    assert float(difference.abs().max()) < 1e-2


def test_a_resumed_few_shot_training_is_the_same_training(tmp_path):
    straight = Trainer(FEW_SHOT, make_data())
    expected = [straight.step().loss for _ in range(4)]

    first = Trainer(FEW_SHOT, make_data())
    first.step()
    first.step()
    save_state(first, tmp_path / "state.safetensors")
    second = Trainer(FEW_SHOT, make_data())
    resume(second, tmp_path / "state.safetensors")

    found = [second.step().loss, second.step().loss]
    assert found == pytest.approx(expected[2:], rel=1e-3)


def test_scenes_take_their_patterns_from_one_dataset_each():
    """The second dataset is shown without photons: nothing stands out in its middle."""
    dark = SceneSettings(fluence=(1e-9, 1e-9), share=0.5)
    episodes = FEW_SHOT.episodes.model_copy(update={"datasets": (BRIGHT, dark)})
    settings = FEW_SHOT.model_copy(update={"episodes": episodes})
    trainer = Trainer(settings, make_data())

    scenes = torch.stack([trainer.lesson.scene(trainer.generator) for _ in range(60)])[
        :, :, 0
    ]
    contrast = scenes[..., 8:24, 8:24].mean(dim=(1, 2, 3))
    contrast -= scenes[..., :4, :4].mean(dim=(1, 2, 3))

    assert scenes.shape == (60, 36, 32, 32)
    # Two thirds of them, within four standard deviations.
    assert float((contrast > 0.3).float().mean()) == pytest.approx(2 / 3, abs=0.25)


def test_settings_for_another_number_of_datasets_are_refused():
    episodes = Episodes(datasets=(BRIGHT,) * 3, patterns_per_class=6)
    settings = FEW_SHOT.model_copy(update={"episodes": episodes})

    with pytest.raises(DataError, match="3 given for 2 datasets"):
        Trainer(settings, make_data())


@pytest.mark.parametrize(("samples", "patterns"), [(3, 6), (4, 9)])
def test_a_dataset_too_small_for_a_scene_is_refused(samples, patterns):
    episodes = Episodes(patterns_per_class=patterns)
    settings = FEW_SHOT.model_copy(update={"episodes": episodes})

    with pytest.raises(DataError, match="fewer than 2 samples"):
        Trainer(settings, make_data(samples))
