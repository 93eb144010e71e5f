import numpy as np
import pytest
import torch

from specklenn.core.network.prototype_adapter import (
    MOST_SUPPORTS,
    PrototypeAdapter,
    encode_classes,
    make_prototype_fn,
)

THREE = ("single-hit", "multi-hit", "non-sample-hit")


@pytest.fixture
def adapter():
    torch.manual_seed(0)
    return PrototypeAdapter(8).eval()


def test_a_class_has_one_place_in_the_encoding_and_a_joined_one_has_two():
    found = encode_classes(("multi-hit", "single-hit", "single-hit+non-sample-hit"))

    assert found.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 1]]


@pytest.mark.parametrize("classes", [("single-hit", "ice"), ("single-hit+ice",)])
def test_with_a_class_that_is_not_known_none_is_adapted(adapter, classes):
    assert encode_classes(classes) is None
    assert make_prototype_fn(adapter, classes) is None


def test_a_network_without_an_adapter_has_no_prototype_fn():
    assert make_prototype_fn(None, THREE) is None


def test_prototypes_are_those_of_the_layers_worked_out_by_hand(adapter):
    random = np.random.default_rng(0)
    means, numbers = random.normal(size=(3, 8)), np.array([1, 5, 40])
    weights = {name: value.numpy() for name, value in adapter.state_dict().items()}

    def layer(name, values):
        return weights[f"{name}.weight"] @ values + weights[f"{name}.bias"]

    seen = [
        np.maximum(
            layer("each", [*mean, *encoding, np.log(min(number, MOST_SUPPORTS))]), 0
        )
        for mean, encoding, number in zip(means, np.eye(3), numbers, strict=True)
    ]

    found = make_prototype_fn(adapter, THREE)(means, numbers)

    for own in range(3):
        others = sum(seen[other] for other in range(3) if other != own)
        hidden = np.maximum(layer("together", [*seen[own], *others]), 0)
        share = 1 / (1 + np.exp(-layer("share", hidden)))
        expected = share * means[own] + layer("offset", hidden)
        np.testing.assert_allclose(found[own], expected, atol=1e-5)


def test_the_order_of_the_classes_does_not_matter(adapter):
    means, numbers = np.random.default_rng(1).normal(size=(3, 8)), np.array([1, 2, 3])

    found = make_prototype_fn(adapter, THREE)(means, numbers)
    turned = make_prototype_fn(adapter, THREE[::-1])(
        means[::-1].copy(), numbers[::-1].copy()
    )

    np.testing.assert_allclose(turned[::-1], found, atol=1e-6)


def test_a_placing_stays_as_it_is_when_the_network_learns_on(adapter):
    prototype_fn, means = make_prototype_fn(adapter, THREE), np.ones((3, 8))
    before = prototype_fn(means, np.full(3, 5))

    with torch.no_grad():
        adapter.offset.bias += 1

    np.testing.assert_array_equal(prototype_fn(means, np.full(3, 5)), before)
    again = make_prototype_fn(adapter, THREE)(means, np.full(3, 5))
    np.testing.assert_allclose(again, before + 1, atol=1e-6)
