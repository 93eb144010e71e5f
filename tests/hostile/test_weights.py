"""Whatever is in a weights file whose card fits, it is a model or is refused."""

import hashlib
from contextlib import suppress

import pytest

from specklenn.core.errors import WeightsError
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card, Weights

HEADER = (
    b"99999999999",
    b"-1",
    b"null",
    b"[]",
    b'"',
    b"1e999",
    b"NaN",
    b"[" * 3000,
    b"F64",
    b"compact-3",
)


@pytest.fixture(scope="module")
def packaged():
    """Header and tensors of a model."""
    content = checkpoint.read("default").content
    length = int.from_bytes(content[:8], "little")
    return content[8 : 8 + length], content[8 + length :]


def assert_model_or_refused(content):
    card = Card(name="m", sha256=hashlib.sha256(content).hexdigest())
    with suppress(WeightsError):
        checkpoint.decode(Weights(content=content, card=card, source="m.safetensors"))


def test_a_header_is_understood_or_refused(hostile, packaged):
    own, tensors = packaged
    for header in hostile(own, tokens=HEADER):
        length = len(header).to_bytes(8, "little")
        assert_model_or_refused(length + header + tensors)


def test_a_length_that_is_false_is_refused(hostile, packaged):
    header, tensors = packaged
    for length in hostile(len(header).to_bytes(8, "little")):
        assert_model_or_refused(length + header + tensors)


def test_tensors_are_numbers_or_refused(hostile, packaged):
    header, tensors = packaged
    length = len(header).to_bytes(8, "little")
    for content in hostile(tensors, cases=50):
        assert_model_or_refused(length + header + content)
