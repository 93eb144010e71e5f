"""The packaged model does on a fresh particle what its card says."""

import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
from specklenn.core.network.embed import embed
from specklenn.core.preprocess import prepare
from specklenn.core.simulation.experiment import Experiment, Procedural
from specklenn.core.simulation.simulator import ShotSimulator, per_class

THREE = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)


@pytest.fixture(scope="module")
def embedded():
    """Shots of a particle that the training has not seen, in the benchmark geometry."""
    model = checkpoint.load("default")
    experiment = Experiment(
        procedural=Procedural(count=1, seed=5, atoms=(30_000, 30_000)),
        fractions={name: 1.0 for name in THREE},
    )
    simulator = ShotSimulator(experiment, per_class(experiment.classes, 30))
    shots = simulator.shots(np.arange(90))
    inputs = prepare(shots.patterns, simulator.mask, model.preprocessing).inputs
    return embed(model.encoder, inputs), shots.labels, shots.names


@pytest.mark.parametrize("classes", [THREE[:2], THREE], ids=["two-way", "three-way"])
def test_five_shots_tell_the_classes_apart(embedded, evaluate_embeddings, classes):
    score = evaluate_embeddings(*embedded, n_shot=(5,), classes=classes)[5]

    assert score.accuracy.mean > 0.85
    assert score.f1.mean > 0.85


def test_with_one_support_what_it_has_learned_helps(embedded, evaluate_embeddings):
    model = checkpoint.load("default")
    given = {
        "draws": 40,
        "classes": THREE,
        "adapter": model.encoder.prototype_adapter,
    }

    by_rule = {
        rule: evaluate_embeddings(*embedded, n_shot=(1,), rule=rule, **given)[1]
        for rule in ("prototype", "learned")
    }
    accuracy = {rule: found.accuracy.mean for rule, found in by_rule.items()}

    assert model.rule == "learned"
    assert accuracy["learned"] > accuracy["prototype"] + 0.01


def test_embeddings_are_unit_vectors_of_128(embedded):
    embeddings = embedded[0]

    assert embeddings.shape == (90, 128)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)


def test_the_card_says_where_the_model_is_from():
    card = checkpoint.load("default").card

    assert card.data
    assert card.commit
    assert card.scores["two_way"]["5"]["accuracy"] >= 0.85
