import numpy as np
import pytest

from specklenn.core.errors import DataError
from specklenn.core.evaluation.classifiers import (
    FewShotClassifier,
    MethodVariant,
    scores_of_distances,
)
from specklenn.core.evaluation.evaluate import evaluate, score_draw
from specklenn.core.evaluation.few_shot import (
    EvaluationSettings,
    draw_few_shot,
    draw_samples,
)
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT


def make(per_class: int, spread: float, samples: int = 3):
    """Two clusters on the circle per sample, each sample turned by its own angle."""
    random = np.random.default_rng(0)
    angles, labels, names = [], [], []
    for sample in range(samples):
        for number, label in enumerate((SINGLE_HIT, MULTI_HIT)):
            angles.append(
                sample + 1.5 * number + spread * random.normal(size=per_class)
            )
            labels += [label] * per_class
            names += [f"sample {sample}"] * per_class
    turned = np.concatenate(angles)
    embeddings = np.stack((np.cos(turned), np.sin(turned)), axis=1)
    return embeddings.astype(np.float32), np.array(labels), np.array(names)


def test_clean_clusters_are_told_apart_always(evaluate_embeddings):
    scores = evaluate_embeddings(*make(30, 0.01), n_shot=(1, 5))

    for n_shot in (1, 5):
        accuracy = scores[n_shot].accuracy
        assert accuracy.mean == accuracy.high == 1.0
        assert 0.8 < accuracy.low < 1.0
        assert scores[n_shot].f1.mean == 1.0
        assert set(scores[n_shot].per_sample) == {"sample 0", "sample 1", "sample 2"}


def test_clusters_without_difference_are_guessed(evaluate_embeddings):
    embeddings, labels, names = make(400, 0.01, samples=8)
    noise = np.random.default_rng(1).normal(size=embeddings.shape)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)

    score = evaluate_embeddings(noise.astype(np.float32), labels, names, n_shot=(5,))[5]

    assert score.accuracy.mean == pytest.approx(0.5, abs=0.03)
    assert score.accuracy.low <= score.accuracy.mean <= score.accuracy.high


def test_supports_are_never_queried(evaluate_embeddings):
    embeddings, labels, names = make(2, 0.01, samples=1)

    score = evaluate_embeddings(embeddings, labels, names, n_shot=(1,))[1]
    assert score.accuracy.mean == 1.0

    with pytest.raises(DataError, match="3 patterns of every class"):
        evaluate_embeddings(embeddings, labels, names, n_shot=(2,))


def test_queries_are_as_many_of_each_class(evaluate_embeddings):
    embeddings, labels, names = make(100, 0.01, samples=1)
    same = np.tile(np.float32([1, 0]), (len(labels), 1))
    few_multi = np.r_[0:100, 100:120]

    score = evaluate_embeddings(
        same[few_multi], labels[few_multi], names[few_multi], n_shot=(5,)
    )

    assert score[5].accuracy.mean == 0.5
    assert score[5].f1.mean == pytest.approx(2 / 3)
    assert embeddings.shape == (200, 2)


def test_the_same_seed_draws_the_same_supports(evaluate_embeddings):
    data = make(30, 0.8)

    first, again, other = (
        evaluate_embeddings(*data, seed=seed)[5].confusion for seed in (3, 3, 4)
    )

    assert first == again
    assert first != other


def make_opposites(per_class: int):
    """Singles at the top of the circle; the two other classes left and right of it."""
    random = np.random.default_rng(0)
    middles = {SINGLE_HIT: 1.57, MULTI_HIT: 0.57, NON_SAMPLE_HIT: 2.57}
    angles = np.concatenate(
        [at + 0.02 * random.normal(size=per_class) for at in middles.values()]
    )
    embeddings = np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)
    labels = np.repeat(list(middles), per_class)
    return embeddings, labels, np.full(len(labels), "one")


REST = f"{MULTI_HIT}+{NON_SAMPLE_HIT}"


def test_classes_joined_by_plus_are_one_with_as_many_patterns_of_each(
    evaluate_embeddings,
):
    embeddings, labels, names = make_opposites(30)
    few = np.r_[0:60, 60:70]

    scores = evaluate_embeddings(
        embeddings[few],
        labels[few],
        names[few],
        n_shot=(19,),
        classes=(SINGLE_HIT, REST),
        rule="nearest",
    )
    assert scores[19].accuracy.mean == 1.0

    with pytest.raises(DataError, match="21 patterns of every class"):
        evaluate_embeddings(
            embeddings[few], labels[few], names[few], n_shot=(20,), classes=(REST,)
        )


def test_anything_else_is_found_by_its_nearest_support_and_not_by_the_mean_one(
    evaluate_embeddings,
):
    """The mean of left and right lies where the singles are."""
    data = make_opposites(40)
    # With this seed every draw has supports on both sides.
    drawn = {"n_shot": (10,), "classes": (SINGLE_HIT, REST), "seed": 1}
    mean = evaluate_embeddings(*data, **drawn, rule="prototype")
    nearest = evaluate_embeddings(*data, **drawn, rule="nearest")

    assert nearest[10].accuracy.mean == 1.0
    assert mean[10].accuracy.mean < 1.0


def test_learned_prototypes_tell_classes_whose_only_support_misleads(
    evaluate_embeddings, adapter_to
):
    """Apart along an axis that a single support hides behind two others."""
    random = np.random.default_rng(0)
    labels = np.tile([SINGLE_HIT, MULTI_HIT], 200)
    names = np.repeat(["a", "b"], 200)
    vectors = random.normal(size=(400, 3)) * [1.0, 1.0, 0.1]
    vectors[:, 2] += np.where(labels == SINGLE_HIT, 0.4, -0.4)
    vectors = np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    adapter = adapter_to([[0, 0, 1], [0, 0, -1], [0, 0, 0]])

    def accuracy(rule, known):
        scores = evaluate_embeddings(
            vectors, labels, names, n_shot=(1,), draws=20, rule=rule, adapter=known
        )
        return scores[1].accuracy.mean

    assert accuracy("learned", adapter) > accuracy("prototype", adapter) + 0.05
    assert accuracy("learned", None) == accuracy("prototype", adapter)


def test_a_third_class_can_be_asked_for_and_must_be_there(evaluate_embeddings):
    with pytest.raises(DataError):
        evaluate_embeddings(
            *make(30, 0.1), classes=(SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
        )


def variant(method, variant=""):
    return MethodVariant(
        method=method, variant=variant, trained_on="nothing", sees_supports=True
    )


def test_a_classifier_sees_supports_with_their_classes_and_the_seed_of_the_draw():
    seen = []

    def fit(supports, classes, seed):
        seen.append((supports.tolist(), classes.tolist(), seed))
        return lambda queries: [
            scores_of_distances(np.stack(distances, axis=1))
            for distances in (
                [np.zeros(len(queries)), np.ones(len(queries))],
                [queries, 20 - queries],
            )
        ]

    classifier = FewShotClassifier(
        variants=(variant("m", "always the first"), variant("m", "right")),
        features=np.arange(20, dtype=np.float32),
        fit_features=fit,
    )
    groups = {"a": [np.arange(10), np.arange(11, 20)]}
    (draw,) = draw_samples(groups, n_shot=2, draws=1, seed=0)["a"]

    first, right = score_draw(classifier, draw)

    assert seen == [(draw.supports.tolist(), [0, 0, 1, 1], draw.seed)]
    assert first.accuracy == 0.5
    assert first.confusion.tolist() == [[7, 0], [7, 0]]
    assert right.accuracy == 1.0


def test_every_classifier_gets_the_same_supports_and_queries():
    _, labels, names = make(10, 0.1)
    asked: dict[str, list] = {"a": [], "b": []}

    def classifier(name):
        def fit(supports, classes, seed):
            def measure(queries):
                asked[name].append((supports.tolist(), queries.tolist()))
                return [scores_of_distances(np.zeros((len(queries), 2)))]

            return measure

        numbers = np.arange(len(labels), dtype=np.float32)
        return FewShotClassifier(
            variants=(variant(name),), features=numbers, fit_features=fit
        )

    draws = draw_few_shot(labels, names, EvaluationSettings(n_shot=(1, 5), draws=2))
    evaluate([classifier("a"), classifier("b")], draws)

    assert len(asked["a"]) == 2 * 3 * 2
    assert asked["a"] == asked["b"]


def test_scores_are_the_same_alone_and_beside_others(embedding_classifier):
    embeddings, labels, names = make(30, 0.8)
    one, other = (
        embedding_classifier(name, embeddings, (rule,))
        for name, rule in (("one", "mean"), ("other", "nearest"))
    )
    draws = draw_few_shot(labels, names, EvaluationSettings(n_shot=(5,)))

    both = evaluate([one, other], draws).by_variant

    for classifier in (one, other):
        alone = evaluate([classifier], draws).main
        found = both[classifier.variants[0]][5]
        assert (found.accuracy, found.confusion) == (alone.accuracy, alone.confusion)


def test_the_middle_number_of_supports_is_the_main_one(embedding_classifier):
    embeddings, labels, names = make(30, 0.8)
    draws = draw_few_shot(labels, names, EvaluationSettings(n_shot=(1, 5, 9)))

    found = evaluate([embedding_classifier("m", embeddings, ("mean",))], draws)

    assert found.main_n_shot == 5
    assert found.main is found.first[5]
