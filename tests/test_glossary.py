"""Every field of rows, messages and configurations is explained to its reader."""

import inspect
import re
import typing
from pathlib import Path

import pytest

from specklenn.core.config.run_config import Config
from specklenn.core.data.sources import find_kind, kinds
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.messages import Example, RankStatus, Snapshot
from specklenn.core.rows import row_dtype
from specklenn.core.settings import Settings
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.support import SupportFile
from specklenn.core.training.train_config import TrainingRun

GLOSSARY = (Path(__file__).parent.parent / "docs/glossary.md").read_text()
TERMS = set(re.findall(r"^\| `(\w+)` \| \S", GLOSSARY, flags=re.MULTILINE))
MESSAGES = (Snapshot, Example, RankStatus)


def settings_in(annotation):
    """Every settings model in a type, as in ``tuple[Body, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from settings_in(inner)


def reachable(*roots):
    """The settings models that can be written below some others."""
    found, open_ones = {}, list(roots)
    while open_ones:
        model = open_ones.pop()
        if model.__qualname__ not in found:
            found[model.__qualname__] = model
            for field in model.model_fields.values():
                open_ones += settings_in(field.annotation)
    return found.values()


def explained_in_docstring(owner):
    """The parameters of a class that its docstring describes, inherited ones too."""
    for base in inspect.getmro(owner):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = re.search(r"^Parameters\n-+\n(.*?)(\n\n\S|\Z)", text, re.M | re.S)
        for item in re.split(r"\n(?=\S)", section[1]) if section else ():
            names, _, rest = item.partition("\n")
            if rest.strip():
                yield from (name.strip() for name in names.split(" : ")[0].split(","))


SETTINGS = reachable(
    Config, SupportFile, Experiment, TrainingRun, Adaptation, *map(find_kind, kinds())
)


@pytest.mark.parametrize("model", SETTINGS, ids=lambda model: model.__qualname__)
def test_every_key_of_a_configuration_is_explained(model):
    known = {*explained_in_docstring(model), *TERMS}

    assert [
        name
        for name, field in model.model_fields.items()
        if name not in known
        and not field.description
        and not any(settings_in(field.annotation))
    ] == []


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_field_of_a_message_is_explained(message):
    fields = inspect.signature(message).parameters

    assert set(fields) <= {*explained_in_docstring(message), *TERMS}


def test_every_field_of_a_row_is_in_the_glossary():
    assert set(row_dtype(2).names) <= TERMS


def test_the_glossary_explains_a_word_once_in_every_table():
    for table in GLOSSARY.split("\n## ")[1:]:
        words = re.findall(r"^\| (.+?) \|", table, flags=re.MULTILINE)
        assert len(words) == len(set(words))
