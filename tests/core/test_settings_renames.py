"""Keys of the version before: read, told once, and wrong values keep their line."""

from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import Field

from specklenn.core.config.overrides import overridden
from specklenn.core.errors import ConfigError
from specklenn.core.settings import Settings
from specklenn.core.settings_file import parse_yaml, validate

OLD = """\
name: a
group:
  old: 1
many:
  - {new: 2}
  - {old: 3}
named: {b: {old: 4}}
"""


class Group(Settings):
    new: int = 0
    former_keys: ClassVar[Mapping[str, str]] = {"old": "new"}
    removed_keys: ClassVar[Mapping[str, str]] = {"gone": "say new: 1 instead"}


class Whole(Settings):
    name: str = ""
    group: Group | None = None
    many: tuple[Group, ...] = ()
    named: dict[str, list[Group] | Group] = Field(default_factory=dict)


def read(text, *overrides):
    return validate(Whole, overridden(parse_yaml(text, "c.yaml"), overrides))


def test_old_keys_are_read_wherever_the_group_stands_with_one_warning_each(caplog):
    found = read(OLD)

    assert (found.group.new, found.many[1].new, found.named["b"].new) == (1, 3, 4)
    assert [record.message for record in caplog.records] == [
        f"c.yaml:{line}: {key}.old is called new now; the old key is read for now"
        for line, key in ((3, "group"), (6, "many.1"), (7, "named.b"))
    ]


def test_a_wrong_value_of_an_old_key_is_told_with_its_line():
    with pytest.raises(ConfigError) as caught:
        read(OLD.replace("old: 1", "old: x") + "other: 1\n")

    assert [line.split(" found")[0] for line in caught.value.problems] == [
        "c.yaml:3: group.new: 'x'",
        "c.yaml:8: other: unknown key (found 1); see `specklenn config show`",
    ]


def test_an_old_key_may_be_typed():
    assert read("group: {new: 1}", "group.old=2").group.new == 2
    with pytest.raises(ConfigError, match=r"--set: group\.new: 'x' found"):
        read("", "group.old=x")


@pytest.mark.parametrize("override", ["group.new=2", "group={new: 2}"])
def test_what_is_typed_wins_over_an_old_key_of_the_file(override):
    assert read(OLD, override).group.new == 2


def test_both_keys_in_one_file_are_refused():
    with pytest.raises(ConfigError, match=r"c.yaml:1: group.old .* both are given"):
        read("group: {old: 1, new: 2}")


def test_what_was_stored_by_the_version_before_is_read_without_a_word(caplog):
    assert Whole.model_validate({"group": {"old": 5}}).group.new == 5
    assert not caplog.records


@pytest.mark.parametrize(
    ("text", "typed", "where"),
    [
        ("name: a\ngroup: {gone: 2}", (), "c.yaml:2: group"),
        ("many: [{new: 1}, {gone: 2}]", (), "c.yaml:1: many.1"),
        ("", ("group.gone=2",), "--set: group"),
    ],
)
def test_a_key_that_is_gone_is_refused_with_what_to_do_instead(text, typed, where):
    with pytest.raises(ConfigError) as caught:
        read(text, *typed)

    assert caught.value.problems == [f"{where}.gone: say new: 1 instead"]
