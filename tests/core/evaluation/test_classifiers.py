import numpy as np
import pytest
import torch

from specklenn.core.evaluation.classifiers import (
    Method,
    Row,
    embedding_method,
    score_sample,
)
from specklenn.core.evaluation.draws import draw_samples
from specklenn.core.evaluation.few_shot import evaluate, group_rows, summarise
from specklenn.core.labels import MULTI_HIT, SINGLE_HIT
from specklenn.core.network.prototype_adapter import PrototypeAdapter, make_prototype_fn

TWO = (SINGLE_HIT, MULTI_HIT)


def embedded(seed=0):
    """Five samples of unlike size, classes that overlap; unit vectors of length 6."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.tile(TWO, 5), [30, 26, 40, 12, 7, 30, 25, 25, 3, 9])
    names = np.repeat(list("abcde"), [56, 52, 37, 50, 12])
    vectors = random.normal(size=(len(labels), 6))
    vectors[:, 0] += np.where(labels == SINGLE_HIT, 0.8, -0.8)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = random.permutation(len(labels))
    return vectors[order].astype(np.float32), labels[order], names[order]


def test_the_rules_are_the_models_own_the_papers_and_prototypes():
    vectors = embedded()[0]

    variants = [row.variant for row in embedding_method("a", vectors, "nearest").rows]
    assert variants == ["nearest (own)", "mean", "prototype"]
    variants = [row.variant for row in embedding_method("a", vectors, "mean").rows]
    assert variants == ["mean (own)", "prototype"]


@pytest.mark.parametrize("shots", [1, 5, 20])
@pytest.mark.parametrize(("seed", "own"), [(0, "soft"), (3, "soft"), (0, "learned")])
def test_a_model_has_exactly_the_scores_of_specklenn_evaluate(shots, seed, own):
    vectors, labels, names = embedded()
    torch.manual_seed(7)
    adapter = PrototypeAdapter(6)
    method = embedding_method("a", vectors, own, make_prototype_fn(adapter, TWO))
    samples = draw_samples(group_rows(labels, names), shots, draws=3, seed=seed)

    scores = {name: score_sample(method, draws) for name, draws in samples.items()}

    for number, rule in enumerate((own, "mean", "prototype")):
        found = summarise({name: each[number] for name, each in scores.items()}, TWO)
        wanted = evaluate(
            vectors,
            labels,
            names,
            shots=(shots,),
            draws=3,
            seed=seed,
            rule=rule,
            adapter=adapter,
        )
        assert found == wanted[str(shots)]


def test_a_method_sees_supports_with_their_classes_and_the_seed_of_the_draw():
    seen = []

    def fit(supports, classes, seed):
        seen.append((supports.tolist(), classes.tolist(), seed))
        return lambda queries: np.array([np.zeros(len(queries)), queries >= 10], int)

    rows = tuple(
        Row(method="m", variant=variant, trained_on="nothing", sees_supports=True)
        for variant in ("always the first", "right")
    )
    features = np.arange(20, dtype=np.float32)
    groups = {"a": [np.arange(10), np.arange(10, 20)]}
    (draw,) = draw_samples(groups, shots=2, draws=1, seed=0)["a"]

    first, right = score_sample(Method(rows=rows, features=features, fit=fit), [draw])

    assert seen == [(draw.supports.tolist(), [0, 0, 1, 1], draw.seed)]
    assert first.accuracy == 0.5
    assert first.confusion.tolist() == [[8, 0], [8, 0]]
    assert right.accuracy == 1.0
