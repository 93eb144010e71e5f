"""YAML as people write it: the numbers of YAML 1.2, and words that stay words.

PyYAML reads YAML 1.1, where ``0077`` is 63, ``1:30`` is 90, ``yes`` is true, a day is a
date and ``1e-3`` a word. Here digits are decimal, with leading zeros too.

A number remembers how it was written, and a settings model that wants a text takes it
so: an experiment called ``0077``, a folder called ``900091``. Keys are always texts.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

LONGEST_NUMBER = 100
"""Characters of an integer; more of them are a text, for a model to refuse."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


class Written:
    """A number with the text that it was written as, by which it is also shown.

    Attributes
    ----------
    text : str
    """

    text: str

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


class WrittenInt(Written, int):
    """An integer and its text."""


class WrittenFloat(Written, float):
    """A floating point number and its text."""


def number(text: str) -> WrittenInt | WrittenFloat | None:
    """Return a number as YAML 1.2 reads it; None if the text is none.

    >>> number("0077") + 0, number("1e-3") + 0, number("1:30")
    (77, 0.001, None)
    """
    made: WrittenInt | WrittenFloat
    if _INT.fullmatch(text) and len(text) <= LONGEST_NUMBER:
        bases = {"0o": 8, "0x": 16}
        made = WrittenInt(text, bases.get(text[:2], 10))
    elif _FLOAT.fullmatch(text) and not _INT.fullmatch(text):
        plain = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        made = WrittenFloat(plain)
    else:
        return None
    made.text = text
    return made


def scalar(text: str) -> Any:
    """Return what a word without quotes is: None, a truth value, a number or a text."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    found = number(text)
    return text if found is None else found


_PLAIN = "tag:specklenn,2026:plain"
_TAG = "tag:yaml.org,2002:"


class Loader(yaml.SafeLoader):
    """Makes nodes of a text, then data of them: groups, lists, texts and scalars."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node; PyYAML calls it."""
        if kind is yaml.ScalarNode and implicit[0] and value != "<<":
            return _PLAIN
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a group; PyYAML calls it."""
        self.flatten_mapping(node)  # what ``<<`` names
        return {
            self._text(key): self.construct_object(value, deep)
            for key, value in node.value
        }

    def _scalar(self, node: yaml.Node) -> Any:
        return scalar(self._text(node))

    def _text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _refused("a group or a list as a key, a word expected", node)
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise _refused("half a character, escaped as \\ud800 to \\udfff", node)
        if "\0" in text:  # no name of a file or dataset can have it
            raise _refused("a character of code 0", node)
        return text


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


Loader.yaml_constructors = {
    **dict.fromkeys(
        (_PLAIN, *(_TAG + kind for kind in ("int", "float", "bool", "null"))),
        Loader._scalar,
    ),
    _TAG + "str": Loader._text,
    _TAG + "seq": Loader.construct_yaml_seq,
    _TAG + "map": Loader.construct_yaml_map,
    None: Loader.construct_undefined,
}


class _Dumper(yaml.SafeDumper):
    """Quotes texts that either version of YAML would take for something else."""


for _pattern, _first in ((_INT, "-+0123456789"), (_FLOAT, "-+.0123456789")):
    _Dumper.add_implicit_resolver(_PLAIN, _pattern, list(_first))

# Where a model allows any value a number stays as it is; other readers of YAML get it
# without the leading zeros that some of them take for a sign of octal digits.
yaml.SafeDumper.add_representer(
    WrittenInt, lambda dumper, value: dumper.represent_int(int(value))
)
yaml.SafeDumper.add_representer(
    WrittenFloat, lambda dumper, value: dumper.represent_float(float(value))
)


def dump(values: Any, **style: Any) -> str:
    """Return values as YAML text, in their order, that `Loader` reads back."""
    text: str = yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **style
    )
    return text
