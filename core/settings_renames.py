"""Deprecated keys in files that people write: accepted, with one warning.

Renamed before validation, so that a wrong value of such a key is reported with its
line. Keys that are gone are refused, with what to do instead.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from specklenn.core.settings import Location, Settings

log = logging.getLogger(__name__)

COMMAND_LINE = "--set"
"""Where a value is that was given on the command line."""


class Renaming:
    """Gives the values of a document the keys that its model has now.

    Parameters
    ----------
    places : dict of location to str
        Where every value stands, for messages.

    Attributes
    ----------
    places : dict of location to str
        Where every value stands, by its former and its present keys.
    problems : list of str
        Values that are there by both names, and keys that are gone.
    """

    def __init__(self, places: Mapping[Location, str]) -> None:
        self.places = dict(places)
        self.problems: list[str] = []

    def group(self, model: type[Settings], data: Any, at: Location = ()) -> Any:
        """Return what stands at a location, the group of a model; warn of old keys."""
        if not isinstance(data, dict):
            return data
        data = dict(data)
        for old, new in model.former_keys.items():
            if old in data:
                self._rename(data, (*at, old), (*at, new))
        for gone, advice in model.removed_keys.items():
            if gone in data:
                self._refuse((*at, gone), advice)
                del data[gone]
        for name, field in model.model_fields.items():
            if name in data:
                data[name] = self._value(field.annotation, data[name], (*at, name))
        return data

    def _value(self, annotation: Any, value: Any, at: Location) -> Any:
        """Look for groups of keys in the value of a field."""
        if isinstance(annotation, type) and issubclass(annotation, Settings):
            return self._group_or_groups(annotation, value, at)
        for inner in get_args(annotation):
            if get_origin(annotation) is dict and isinstance(value, dict):
                for key in value:
                    value = value | {key: self._value(inner, value[key], (*at, key))}
            else:
                value = self._value(inner, value, at)
        return value

    def _group_or_groups(self, model: type[Settings], value: Any, at: Location) -> Any:
        if not isinstance(value, list):
            return self.group(model, value, at)
        return [self.group(model, item, (*at, i)) for i, item in enumerate(value)]

    def _refuse(self, location: Location, advice: str) -> None:
        where = self.places.get(location, COMMAND_LINE)
        self.problems.append(f"{where}: {'.'.join(map(str, location))}: {advice}")

    def _rename(self, data: dict[Any, Any], old: Location, new: Location) -> None:
        """Move a value to the key of now; the command line wins where both are."""
        where = self.places.get(old, COMMAND_LINE)
        words = f"{where}: {'.'.join(map(str, old))} is called {new[-1]} now"
        given = data.pop(old[-1])
        both = new[-1] in data
        typed = [self.places.get(at) == COMMAND_LINE for at in (old, new)]
        if both and typed[0] == typed[1]:
            self.problems.append(f"{words}; both are given")
            return
        log.warning("%s; the old key is read for now", words)
        if both and typed[1]:
            return
        data[new[-1]] = given
        for at, place in list(self.places.items()):
            if at[: len(old)] == old:
                self.places[(*new, *at[len(old) :])] = place
