"""Numbers of YAML 1.2 with decimal leading zeros; words as they were written."""

import math

import pytest
import yaml

from specklenn.core import settings_yaml
from specklenn.core.errors import ConfigError
from specklenn.core.settings import LARGEST_INTEGER, Settings
from specklenn.core.settings_file import parse_yaml, validate

INTEGERS = {"0077": 77, "0094": 94, "-08": -8, "+3": 3, "0": 0, "0x1F": 31, "0o17": 15}
FLOATS = {"1e-3": 1e-3, "1.e+12": 1e12, ".5": 0.5, "010.50": 10.5, "-.inf": -math.inf}
WORDS = [
    "1:30",
    "190:20:30",
    "yes",
    "No",
    "on",
    "1_000",
    "0b101",
    "2026-11-30",
    "0o8",
    "1.2.3",
    "e5",
    "nan",
    "=",
    "9" * 5000,
]


class Group(Settings):
    """What a settings model may want."""

    count: int = 0
    size: float = 0.0
    word: str = ""
    words: tuple[str, ...] = ()
    switch: bool = False
    by_name: dict[str, int] | None = None


def read(text):
    return validate(Group, parse_yaml(text, "a.yaml"))


@pytest.mark.parametrize(("text", "value"), INTEGERS.items())
def test_digits_are_decimal_with_leading_zeros_too(text, value):
    assert read(f"count: {text}").count == value
    assert parse_yaml(f"[{text}]", "a.yaml").data == [value]


@pytest.mark.parametrize(("text", "value"), FLOATS.items())
def test_fractions_need_no_point_and_no_sign(text, value):
    (found,) = parse_yaml(f"[{text}]", "a.yaml").data

    assert found == value
    assert isinstance(found, float)


@pytest.mark.parametrize("text", WORDS)
def test_a_word_is_never_made_a_number_a_truth_value_or_a_date(text):
    assert parse_yaml(f"[{text}]", "a.yaml").data == [text]
    with pytest.raises(
        ConfigError, match=r"a\.yaml:1: count: .*expected a whole number"
    ):
        read(f"count: {text}")


@pytest.mark.parametrize("text", [*INTEGERS, *FLOATS, *WORDS, "900091", "1e5"])
def test_where_a_text_is_wanted_it_is_as_it_was_written(text):
    found = read(f"word: {text}\nwords: [{text}, a]")

    assert (found.word, found.words) == (text, (text, "a"))


@pytest.mark.parametrize("text", [*INTEGERS, *FLOATS, "yes", "null", "1:30", "~"])
def test_a_key_is_a_word(text):
    assert read(f"by_name: {{{text}: 1}}").by_name == {text: 1}


@pytest.mark.parametrize("text", ["yes", "true", "1.0", "'7'", "1.5", str(2**63)])
def test_what_counts_something_is_an_integer_and_nothing_else(text):
    with pytest.raises(ConfigError, match=r"a\.yaml:1: count: .* found, expected"):
        read(f"count: {text}")


@pytest.mark.parametrize("text", ["yes", "true", "'1.5'", ".nan", ".inf", "1e999"])
def test_a_size_is_a_finite_number_and_nothing_else(text):
    with pytest.raises(ConfigError, match=r"a\.yaml:1: size: .* found, expected"):
        read(f"size: {text}")


def test_the_largest_integer_is_one_of_64_bits():
    assert read(f"count: {LARGEST_INTEGER}").count == 2**63 - 1
    assert read(f"count: -{LARGEST_INTEGER}").count == -(2**63) + 1


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("off", False), ("1", True)]
)
def test_a_switch_may_be_set_in_the_words_of_old(text, value):
    assert read(f"switch: {text}").switch is value


def test_quotes_and_tags_make_a_text_of_a_number():
    assert parse_yaml("['0077', !!str 0077]", "a.yaml").data == ["0077", "0077"]


def test_groups_may_be_used_again_and_changed():
    data = parse_yaml("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a", "a.yaml").data

    assert data["b"] == {"x": 1, "y": 3}
    assert data["c"] == data["a"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run: &r {a: 1, more: *r}", "a.yaml:1: run.more: an alias of a group that it"),
        ("a:\n  - &r [1, [*r]]", "a.yaml:2: a.0.1.0: an alias of a group that it"),
        ("a: &r {<<: *r}", "a.yaml:1: a.<<: an alias of a group that it stands in"),
        ("[" * 60 + "]" * 60, "a.yaml:1: more than 50 groups or lists in each other"),
        ("[" * 5000, "a.yaml: more than 50 groups or lists in each other"),
        ("? [a]\n: 1", "a.yaml:1: not YAML: a group or a list as a key, a word"),
        ('"\\ud800"', "a.yaml:1: not YAML: half a character"),
        ('a: "b\\0"', "a.yaml:1: not YAML: a character of code 0"),
        ("!!python/name:os.system x", "a.yaml:1: not YAML: could not determine a con"),
        ("!!set {a, b}", "a.yaml:1: not YAML: could not determine a constructor"),
        ("!!int [1]", "a.yaml:1: not YAML: a group or a list as a key, a word"),
        ("a: 1\nb: 2\na: 3", "a.yaml:3: a stands twice, first in line 1"),
        ("a: @b", "a.yaml:1: not YAML: found character '@'"),
        ("a\x00b", "a.yaml: not YAML: unacceptable character #x0000"),
    ],
)
def test_what_is_no_document_of_settings_is_said_in_one_sentence(text, told):
    with pytest.raises(ConfigError) as caught:
        read(text)

    assert caught.value.problems[0].startswith(told)
    assert caught.value.problems[0].isprintable()


def test_aliases_of_aliases_do_not_stand_for_billions(monkeypatch):
    monkeypatch.setattr("specklenn.core.settings_file.MOST_VALUES", 1000)
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]

    with pytest.raises(ConfigError, match=r"a\.yaml:\d+: more than 1000 values"):
        parse_yaml("\n".join(lines), "a.yaml")


@pytest.mark.parametrize("text", [*INTEGERS, *FLOATS, *WORDS, "true", "null", "~", ""])
def test_texts_and_numbers_written_to_a_file_are_read_back_as_such(text):
    values = {"text": text, "number": settings_yaml.scalar(text)}

    for style in ({}, {"default_flow_style": True}):
        written = settings_yaml.dump(values, **style)
        assert parse_yaml(written, "a.yaml").data == values
        assert type(parse_yaml(written, "a.yaml").data["text"]) is str
    assert yaml.safe_load(settings_yaml.dump(values)) == values


def test_what_is_told_of_a_number_is_how_it_was_written():
    with pytest.raises(ConfigError, match="switch: 0012 found, expected"):
        read("switch: 0012")
