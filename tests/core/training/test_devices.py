import pytest
import torch

from specklenn.core.errors import ConfigError
from specklenn.core.training.devices import choose_device, use_bfloat16

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)
no_card = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card here")
card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no card here")


def test_the_cpu_can_always_be_asked_for():
    assert choose_device("cpu", local_rank=7) == CPU


@no_card
def test_without_a_card_the_cpu_is_taken_or_its_lack_is_said():
    assert choose_device("auto") == CPU
    with pytest.raises(ConfigError, match=r"device: cuda, but PyTorch .* finds 0 gra"):
        choose_device("cuda")


@card
def test_with_a_card_it_is_taken():
    assert choose_device("auto") == choose_device("cuda") == CARD


def test_precision_is_what_is_asked_for_and_full_on_a_cpu():
    assert use_bfloat16("bfloat16", CPU)
    assert not use_bfloat16("float32", CARD)
    assert not use_bfloat16("auto", CPU)
