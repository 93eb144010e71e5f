import pytest

from specklenn.core.errors import ConfigError
from specklenn.core.labelling.session import label_keys


def test_digits_are_no_hit_the_classes_and_unknown():
    keys = label_keys(("single-hit", "multi-hit", "non-sample-hit"))

    assert keys == {
        "1": "single-hit",
        "2": "multi-hit",
        "3": "non-sample-hit",
        "0": "no-hit",
        "9": "unknown",
    }


@pytest.mark.parametrize(
    "classes",
    [(), ("a",) * 2, tuple("abcdefghi"), ("1", "a"), ("no-hit", "a"), ("<", "a")],
    ids=str,
)
def test_classes_that_cannot_be_told_apart_are_refused(classes):
    with pytest.raises(ConfigError, match="--classes"):
        label_keys(classes)
