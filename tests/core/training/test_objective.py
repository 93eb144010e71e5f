import dataclasses
import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from specklenn.core.errors import DataError
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.training.episode_conditions import EpisodeConditions
from specklenn.core.training.from_settings import make_objective, make_trainer
from specklenn.core.training.objective import ForwardFns
from specklenn.core.training.settings import Episodes, Training

BRIGHT = EpisodeConditions(fluence=(5.0, 20.0))


def test_few_shot_training_learns_and_the_model_can_be_saved(
    few_shot, make_data, tmp_path
):
    trainer = make_trainer(few_shot, make_data())

    losses = [trainer.step().loss for _ in range(few_shot.steps)]

    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
    path = tmp_path / "m.safetensors"
    checkpoint.save(path, trainer.trained(), few_shot.preprocess, Card(name="m"))
    loaded = checkpoint.load(path)
    assert loaded.encoder.architecture == "compact-3"
    pictures = torch.randn(3, 1, 32, 32)
    with torch.inference_mode():
        difference = loaded.encoder(pictures) - trainer.trained()(pictures)
    assert float(difference.abs().max()) < 1e-2


def test_episodes_take_their_patterns_from_one_dataset_each(few_shot, make_data):
    """The second dataset is shown without photons: nothing stands out in its middle."""
    dark = EpisodeConditions(fluence=(1e-9, 1e-9), share=0.5, artefacts=False)
    episodes = few_shot.episodes.model_copy(update={"datasets": (BRIGHT, dark)})
    settings = few_shot.model_copy(update={"episodes": episodes})
    objective = make_objective(settings, make_data())
    generator = torch.Generator().manual_seed(0)

    drawn = [objective.episode(generator) for _ in range(60)]
    episodes = torch.stack([inputs[:, 0] for inputs, _ in drawn])
    contrast = episodes[..., 8:24, 8:24].nanmean(dim=(1, 2, 3))
    contrast -= episodes[..., :4, :4].nanmean(dim=(1, 2, 3))

    assert episodes.shape == (60, 36, 32, 32)
    # Two thirds of them, within four standard deviations.
    assert float((contrast > 0.3).float().mean()) == pytest.approx(2 / 3, abs=0.25)


def test_prototypes_count_as_much_as_mean_distances(few_shot, make_data):
    objective = make_objective(few_shot, make_data())
    batch = objective.draw(0, range(2))
    scatter = torch.randn(32 * 32, 16, generator=torch.Generator().manual_seed(1))

    def embed(inputs):
        return functional.normalize(inputs.nan_to_num().flatten(1) @ scatter, dim=1)

    def far(means, class_encoding, numbers):
        """So far that all classes are equally likely."""
        return 1e4 + 0 * means

    bare = objective.compute_loss(ForwardFns(embed=embed), batch).loss
    both = objective.compute_loss(ForwardFns(embed=embed, adapt=far), batch).loss

    # Of a sample's four tasks three have two classes, one has three.
    guessing = (3 * math.log(2) + math.log(3)) / 4
    assert float(both) == pytest.approx((float(bare) + guessing) / 2, rel=1e-4)


def test_classes_of_other_names_are_trained_without_an_adapter(few_shot, make_data):
    data = dataclasses.replace(make_data(), classes=("a", "b", "c"))
    trainer = make_trainer(few_shot.model_copy(update={"classes": data.classes}), data)
    before = trainer.trained().prototype_adapter.state_dict()

    trainer.step()

    after = trainer.trained().prototype_adapter.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_the_adapter_alone_can_be_trained(few_shot, make_data, tmp_path):
    """From a network that has lost its own, as one that was adapted."""
    first = make_trainer(few_shot, make_data()).trained()
    first.prototype_adapter = None
    path = tmp_path / "m.safetensors"
    checkpoint.save(path, first, few_shot.preprocess, Card(name="m"))
    started = checkpoint.load(path).encoder.state_dict()
    trainer = make_trainer(
        few_shot.model_copy(update={"only_prototype_adapter": True}),
        make_data(),
        start=[path],
    )
    random = trainer.trained().prototype_adapter.state_dict()

    losses = [trainer.step().loss for _ in range(30)]

    trained = trainer.trained()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    found = trained.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in started.items())
    adapter = trained.prototype_adapter.state_dict()
    assert not any(
        torch.equal(adapter[name], tensor) for name, tensor in random.items()
    )


def test_only_of_known_classes_can_prototypes_be_learned(few_shot, make_data):
    data = dataclasses.replace(make_data(), classes=("single-hit", "b", "c"))
    changes = {"only_prototype_adapter": True, "classes": data.classes}

    with pytest.raises(DataError, match="classes single-hit, b, c found, only single"):
        make_objective(few_shot.model_copy(update=changes), data)


@pytest.mark.parametrize(
    "changes", [{"network": "specklenn-2023"}, {"episodes": None}], ids=str
)
def test_only_an_adapter_that_is_there_can_be_trained_alone(few_shot, changes):
    given = few_shot.model_dump() | {"only_prototype_adapter": True} | changes

    with pytest.raises(ValidationError, match="compact-3 with episodes expected"):
        Training.model_validate(given)


def test_settings_for_another_number_of_datasets_are_refused(few_shot, make_data):
    episodes = Episodes(datasets=(BRIGHT,) * 3, patterns_per_class=6)
    settings = few_shot.model_copy(update={"episodes": episodes})

    with pytest.raises(DataError, match="3 given for 2 datasets"):
        make_objective(settings, make_data())


@pytest.mark.parametrize(("samples", "patterns"), [(3, 6), (4, 9)])
def test_a_dataset_too_small_for_an_episode_is_refused(
    few_shot, make_data, samples, patterns
):
    episodes = Episodes(patterns_per_class=patterns)
    settings = few_shot.model_copy(update={"episodes": episodes})

    with pytest.raises(
        DataError, match=r"b.h5: fewer than 2 samples|a.h5: fewer than 2"
    ):
        make_objective(settings, make_data(samples))


def test_a_step_shows_the_same_whoever_draws_which_of_its_parts(settings, make_data):
    objective = make_objective(settings, make_data())
    parts = range(objective.parts)

    whole = objective.draw(3, parts)
    apart = [make_objective(settings, make_data()).draw(3, [part]) for part in parts]

    inputs = torch.cat([batch.inputs for batch in apart])
    assert torch.equal(inputs.nan_to_num(-1), whole.inputs.nan_to_num(-1))
    assert torch.equal(torch.cat([batch.rows for batch in apart]), whole.rows)


def test_other_steps_parts_and_seeds_show_something_else(settings, make_data):
    objective = make_objective(settings, make_data())
    other = make_objective(settings.model_copy(update={"seed": 1}), make_data())

    drawn = [
        objective.draw(3, [0]),
        objective.draw(4, [0]),
        objective.draw(3, [1]),
        other.draw(3, [0]),
    ]

    assert len({batch.inputs.numpy().tobytes() for batch in drawn}) == 4
    assert len({batch.seed for batch in drawn}) == 4


def test_the_samples_of_a_triplet_step_are_different_ones(triplets, make_data):
    data = make_data()

    rows = make_objective(triplets, data).draw(0, range(4)).rows

    assert sorted(set(data.samples[rows].tolist())) == [0, 1, 2, 3]


def test_a_step_has_no_more_parts_than_there_are_samples(triplets, make_data):
    settings = triplets.model_copy(update={"samples_per_step": 9})

    assert make_objective(settings, make_data()).parts == 4
