"""Errors as sentences."""

import pytest

from specklenn.core.errors import sentence


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("a\n b"), "ValueError: a b"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_an_error_becomes_one_line(error, words):
    assert sentence(error) == words
