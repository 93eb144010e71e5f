import numpy as np
import scipy.special

from specklenn.core.heads.head import FeatureBlock, FeatureLayout, Task, softmax


def test_the_softmax_is_that_of_scipy():
    logits = np.random.default_rng(0).normal(0, 20, (7, 4, 3))

    np.testing.assert_allclose(
        softmax(logits), scipy.special.softmax(logits, -1), rtol=1e-12
    )


def test_logits_may_be_as_large_as_they_like():
    found = softmax(np.array([[1e4, 1e4, -1e4]]))

    assert found.tolist() == [[0.5, 0.5, 0.0]]


def test_classes_are_counted_even_where_the_last_ones_have_no_support():
    task = Task(
        supports=np.zeros((3, 2), np.float32), classes=np.array([1, 0, 1]), n_classes=4
    )

    assert task.counts.tolist() == [1, 2, 0, 0]


def test_features_begin_with_the_embedding_and_have_the_columns_of_all_blocks():
    blocks = tuple(FeatureBlock(name=name, size=2) for name in "ab")
    layout = FeatureLayout(embedding_size=3, blocks=blocks)
    features = np.arange(14, dtype=np.float32).reshape(2, 7)

    assert layout.size == 7
    assert layout.embeddings(features).tolist() == [[0, 1, 2], [7, 8, 9]]
