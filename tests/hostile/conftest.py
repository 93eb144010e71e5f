"""Bytes that are nearly right, and many of them.

``CASES`` of the environment is how many are tried in each test; the first ones are the
same every time.
"""

import os
import random

import pytest

CASES = int(os.environ.get("CASES", 300))

BYTES = (b"\0" * 8, b"\xff" * 8, b"\x7f" * 4, b"\0\0\0\x80")


def mutated(content, number, tokens=BYTES):
    """Change a few bytes: flip, replace, insert, delete, cut off, repeat, splice in."""
    draw, found = random.Random(number), bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(found) + 1)
        length = draw.choice((1, 1, 2, 4, 8, 40))
        action = draw.choice(
            ("flip", "replace", "insert", "delete", "cut", "repeat", "splice")
        )
        if action == "flip" and at < len(found):
            found[at] ^= 1 << draw.randrange(8)
        elif action == "replace" and at < len(found):
            found[at] = draw.choice((0, 127, 128, 255, draw.randrange(256)))
        elif action == "insert":
            found[at:at] = draw.randbytes(length)
        elif action == "delete":
            del found[at : at + length]
        elif action == "cut":
            del found[at:]
        elif action == "repeat":
            start = draw.randrange(len(found) + 1)
            found[at:at] = found[start : start + length]
        else:
            found[at : at + draw.choice((0, length))] = draw.choice(tokens)
    return bytes(found)


@pytest.fixture
def hostile():
    """Yield damaged forms of some contents, in turn."""

    def make(*contents, tokens=BYTES, cases=CASES):
        for number in range(cases):
            yield mutated(contents[number % len(contents)], number, tokens)

    return make
