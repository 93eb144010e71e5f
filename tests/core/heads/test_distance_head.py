import numpy as np
import pytest

from specklenn.core.distances import class_distances
from specklenn.core.heads.distance_head import DistanceHead
from specklenn.core.heads.head import FeatureBlock, FeatureLayout, Task

LAYOUT = FeatureLayout(
    embedding_size=6, blocks=(FeatureBlock(name="last_layer", size=3),)
)
CLASSES = np.array([0, 0, 1, 1, 1])


def features(number, seed):
    """Unit vectors and three other columns."""
    values = np.random.default_rng(seed).normal(size=(number, 9)).astype(np.float32)
    values[:, :6] /= np.linalg.norm(values[:, :6], axis=1, keepdims=True)
    return values


def double(means, counts):
    return means * counts[:, None]


def fit(rule, temperature=0.3, prototype_fn=double, **task):
    head = DistanceHead(
        rule=rule, layout=LAYOUT, temperature=temperature, prototype_fn=prototype_fn
    )
    given = {"supports": features(5, 0), "classes": CLASSES, "n_classes": 2}
    return head.fit(Task(**given | task))


@pytest.mark.parametrize("rule", ["mean", "nearest", "soft", "prototype", "learned"])
def test_distances_are_those_of_the_rule_and_scores_their_softmax(rule):
    supports, queries = features(5, 0), features(8, 1)

    found = fit(rule)(queries)

    wanted = class_distances(queries[:, :6], supports[:, :6], CLASSES, 2, rule, double)
    powers = np.exp(-wanted / 0.3)
    np.testing.assert_array_equal(found.distances, wanted)
    np.testing.assert_allclose(
        found.scores, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_nothing_but_the_embedding_counts():
    queries = features(8, 1)
    others = queries.copy()
    others[:, 6:] = np.nan

    np.testing.assert_array_equal(
        fit("mean")(others).scores, fit("mean")(queries).scores
    )


def test_unlabelled_shots_change_nothing():
    queries = features(8, 1)

    alone = fit("prototype")(queries)
    beside = fit("prototype", unlabelled=features(40, 2))(queries)

    np.testing.assert_array_equal(alone.scores, beside.scores)


def test_a_low_temperature_makes_sure_and_a_high_one_doubtful():
    queries = features(8, 1)

    sure, doubtful = (fit("mean", of)(queries).scores.max(axis=1) for of in (0.01, 10))

    assert (sure > doubtful).all()
    np.testing.assert_allclose(doubtful, 0.5, atol=0.05)


def test_nothing_is_said_about_nothing():
    found = fit("mean")(features(0, 1))

    assert found.distances.shape == found.scores.shape == (0, 2)
