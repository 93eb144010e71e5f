from dataclasses import replace

import numpy as np
import pytest

from specklenn.core.heads.ensemble_head import EnsembleHead
from specklenn.core.heads.head import FeatureLayout, Task
from specklenn.core.support import SupportSet
from specklenn.core.support_check import check_supports, judge_supports

LAYOUT = FeatureLayout(embedding_size=8, blocks=())
HEAD = EnsembleHead(layout=LAYOUT, temperature=0.1)
CLASSES = ("single-hit", "multi-hit")


def support_set(classes, spread=0.1, seed=0):
    """Supports whose features are unit vectors about an axis for each class."""
    random = np.random.default_rng(seed)
    classes = np.array(classes)
    vectors = np.eye(8)[classes] + spread * random.standard_normal((len(classes), 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    supports = SupportSet(
        frames=random.poisson(3, (len(classes), 4, 4)),
        labels=np.array(CLASSES)[classes],
        classes=CLASSES,
        origins=tuple(f"run.cxi event {row}" for row in range(len(classes))),
    )
    task = Task(supports=vectors.astype(np.float32), classes=classes, n_classes=2)
    return supports, task


def relabelled(found, row, code):
    supports, task = found
    labels, classes = supports.labels.copy(), task.classes.copy()
    labels[row], classes[row] = CLASSES[code], code
    return replace(supports, labels=labels), replace(task, classes=classes)


def check(found):
    supports, task = found
    return check_supports(supports, HEAD, task)


@pytest.mark.parametrize("each", [1, 2, 3, 5, 20])
def test_nothing_is_said_of_good_supports_however_few(each):
    assert check(support_set([0] * each + [1] * each)) == ()


def test_every_support_is_judged_by_the_others_alone():
    _, task = support_set([0, 0, 0, 1, 1, 1])

    scores = judge_supports(HEAD, task)

    for row in range(6):
        left = np.arange(6) % 3 == row % 3  # the parts: one support of each class
        others = Task(
            supports=task.supports[~left], classes=task.classes[~left], n_classes=2
        )
        expected = HEAD.fit(others)(task.supports[row : row + 1]).scores[0]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5)


def test_the_only_support_of_a_class_is_judged_by_nobody():
    scores = judge_supports(HEAD, support_set([0, 1, 1, 1])[1])

    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1:]).all()


def test_a_wrong_label_is_named_with_the_class_that_the_others_give():
    found = relabelled(support_set([0] * 6 + [1] * 6), 2, 1)

    (sentence,) = check(found)

    assert sentence.startswith(
        "supports: run.cxi event 2, labelled multi-hit, is single-hit to the others"
    )


def test_classes_that_cannot_be_told_apart_are_one_sentence_with_counts():
    supports, task = support_set([0] * 8 + [1] * 8, spread=0.3)
    mixed = replace(
        task, supports=task.supports[::-1][[*range(0, 16, 2), *range(1, 16, 2)]]
    )

    sentences = check_supports(supports, HEAD, mixed)

    assert "they misjudge each other" in sentences[0]
    assert "of 16 get their own label" in sentences[0]


def test_one_frame_given_twice_is_named_once():
    supports, task = support_set([0] * 5 + [1] * 5)
    supports.frames[3] = supports.frames[1]

    (sentence,) = check((supports, task))

    assert sentence == (
        "supports: run.cxi event 1 and run.cxi event 3, labelled single-hit, is one "
        "frame that is given 2 times"
    )


def test_a_frame_with_two_labels_contradicts_itself():
    supports, task = support_set([0] * 2 + [1] * 2)
    supports.frames[3] = supports.frames[1]

    (sentence,) = check((supports, task))

    assert sentence == (
        "supports: run.cxi event 1 and run.cxi event 3 has contradicting labels: "
        "single-hit and multi-hit"
    )


def test_supports_that_all_look_the_same_are_one_sentence():
    supports, task = support_set([0] * 5 + [1] * 5)
    alike = np.repeat(task.supports[:1], 10, axis=0)

    (sentence,) = check((supports, replace(task, supports=alike)))

    assert "all look the same" in sentence
