"""The packaged model does on a fresh particle what its card says."""

import numpy as np
import pytest

pytest.importorskip("finufft")
pytest.importorskip("gemmi")

from specklenn.core.decision import make_head
from specklenn.core.evaluation.classifiers import model_classifier
from specklenn.core.evaluation.evaluate import evaluate
from specklenn.core.evaluation.few_shot import EvaluationSettings, draw_few_shot
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.network import checkpoint
from specklenn.core.network.features import extract_features, feature_layout
from specklenn.core.preprocess import prepare
from specklenn.core.simulation.experiment import Experiment, Procedural
from specklenn.core.simulation.simulator import ShotSimulator, per_class

THREE = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)


@pytest.fixture(scope="module")
def model():
    return checkpoint.load("default")


@pytest.fixture(scope="module")
def patterns(model):
    """Shots of a particle that the training has not seen, in the benchmark geometry."""
    experiment = Experiment(
        procedural=Procedural(count=1, seed=5, atoms=(30_000, 30_000)),
        fractions={name: 1.0 for name in THREE},
    )
    simulator = ShotSimulator(experiment, per_class(experiment.classes, 30))
    shots = simulator.shots(np.arange(90))
    inputs = prepare(shots.patterns, simulator.mask, model.preprocessing).inputs
    return extract_features(model.encoder, inputs), shots.labels, shots.names


@pytest.fixture(scope="module")
def score(model, patterns):
    """Score the rules of the model with so many supports."""
    features, labels, names = patterns

    def call(n_shot, rules, classes=THREE, **settings):
        heads = {
            rule: make_head(model.encoder, classes, rule, model.temperature)
            for rule in rules
        }
        asked = EvaluationSettings(n_shot=(n_shot,), classes=classes, **settings)
        draws = draw_few_shot(labels, names, asked)
        found = evaluate([model_classifier("default", features, heads)], draws)
        return {
            variant.variant: by_n_shot[n_shot]
            for variant, by_n_shot in found.by_variant.items()
        }

    return call


@pytest.mark.parametrize("rule", ["mean", "ensemble"])
@pytest.mark.parametrize("classes", [THREE[:2], THREE], ids=["two-way", "three-way"])
def test_five_shots_tell_the_classes_apart(score, classes, rule):
    found = score(5, [rule], classes)[rule]

    assert found.accuracy.mean > 0.85
    assert found.f1.mean > 0.85


def test_with_one_support_what_it_has_learned_helps(model, score):
    found = score(1, ["prototype", "learned", "ensemble"], draws=40)
    accuracy = {rule: of_rule.accuracy.mean for rule, of_rule in found.items()}

    assert model.rule == "ensemble"
    assert accuracy["learned"] > accuracy["prototype"] + 0.01
    assert accuracy["ensemble"] > accuracy["prototype"] + 0.01


def test_embeddings_are_unit_vectors_of_128(model, patterns):
    embeddings = feature_layout(model.encoder).embeddings(patterns[0])

    assert embeddings.shape == (90, 128)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1.0, atol=1e-5)


def test_the_card_says_where_the_model_is_from(model):
    card = model.card

    assert card.data
    assert card.commit
    assert card.scores["two_way"]["5"]["accuracy"] >= 0.85
