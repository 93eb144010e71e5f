import pytest
import torch

from specklenn.core.training.losses import triplet_loss


def test_loss_is_the_mean_violation_of_the_margin():
    near = torch.tensor([0.5, 0.1, 0.3])
    far = torch.tensor([0.6, 0.9, 0.3])

    loss = triplet_loss(near, far, margin=0.2)

    assert loss.item() == pytest.approx((0.1 + 0.0 + 0.2) / 3)


def test_gradients_agree_with_finite_differences():
    near = torch.tensor([0.5, 0.1, 0.3], dtype=torch.float64, requires_grad=True)
    far = torch.tensor([0.6, 0.9, 0.35], dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(lambda n, f: triplet_loss(n, f, 0.2), (near, far))


def test_no_triplets_cost_nothing_and_move_nothing():
    near = torch.zeros(0, requires_grad=True)

    loss = triplet_loss(near, torch.zeros(0))
    loss.backward()

    assert loss.item() == 0.0
    assert near.grad is not None


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        triplet_loss(torch.zeros(2), torch.zeros(3))
