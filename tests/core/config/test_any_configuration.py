"""Whatever stands in a configuration, it is read or refused in sentences.

``CASES`` of the environment is how many are tried in each test.
"""

import copy
import os

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specklenn.core.config.loading import check_config, resolved_yaml
from specklenn.core.config.overrides import overridden
from specklenn.core.config.run_config import Config
from specklenn.core.data import sources
from specklenn.core.errors import ConfigError
from specklenn.core.settings_file import parse_yaml, read_yaml, validate
from specklenn.core.support import SupportFile
from specklenn.plugin import packaged_configs
from specklenn.plugin.commands.config import find_model

many = settings(
    max_examples=int(os.environ.get("CASES", 150)),
    database=None,
    derandomize="CASES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

SUPPORT = {"version": 1, "classes": {"a": [{"file": "a.h5", "events": [0, 1]}]}}

PUNCTUATION = "[]{}&*!|>'\"%@`-?:,# \n\tab019.~<=_\\x"

BEGUN = [
    *(
        yaml.safe_load(packaged_configs.find_config(name).read_text())
        for name in packaged_configs.names()
    ),
    {"source": {"kind": "hdf5", "path": "a.h5"}, "support": {"shots": SUPPORT}},
    SUPPORT,
]

ODD = [
    None,
    True,
    "",
    " ",
    "~",
    ".",
    "/",
    "..",
    "\0",
    "\n",
    "a\nb",
    "\x1b[31m",
    "é\u2028\U0001f600",
    "a" * 5000,
    "~nobody/a.h5",
    "{experiment}",
    "{run:99999999d}",
    "{",
    "{0}",
    "{run.real}",
    "tcp://",
    "tcp://[::1]:99999999",
    "1:30",
    "0077",
    "yes",
    "cuda:99999999999",
    "hdf5",
    "a.yaml",
    0,
    -1,
    2**31,
    2**63,
    10**4000,
    -0.0,
    1e-320,
    1e308,
    float("inf"),
    float("nan"),
    [],
    [[]],
    {},
    {"": {}},
    [None],
    [1, "1", 1.0],
]

leaves = st.one_of(
    st.sampled_from(ODD).map(copy.deepcopy),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(),
    st.floats(),
    st.booleans(),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=8), inner, max_size=4),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module", autouse=True)
def kinds_found_once():
    """Spare every case the search for installed packages."""
    found = sources._entry_points()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_entry_points", lambda: found)
        yield


def places(data, at=()):
    """All keys and positions in data, as tuples."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in inner:
        yield (*at, key)
        if isinstance(value, (dict, list)):
            yield from places(value, (*at, key))


@st.composite
def changed(draw):
    """A configuration with some of its values changed, added or taken away."""
    data = copy.deepcopy(draw(st.sampled_from(BEGUN)))
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(data))
        if not known:
            break
        *group, last = draw(st.sampled_from(known))
        target = data
        for key in group:
            target = target[key]
        action = draw(st.sampled_from(["change", "take", "add", "move"]))
        if action == "take":
            del target[last]
        elif action == "change":
            target[last] = draw(values)
        elif isinstance(target, list):
            target.insert(last, draw(values))
        elif action == "add":
            target[draw(st.text(max_size=10))] = draw(values)
        else:
            other = data
            for key in draw(st.sampled_from(known)):
                if isinstance(other, (dict, list)) and key in (
                    other if isinstance(other, dict) else range(len(other))
                ):
                    other = other[key]
            target[last] = copy.deepcopy(other)
    return data


def read(document):
    """Check a document as ``specklenn config`` does; settings or sentences."""
    try:
        if (
            isinstance(document.data, dict)
            and not document.data.keys() - SUPPORT.keys()
        ):
            return validate(SupportFile, document)
        model = find_model(document)
        if model is Config:
            return check_config(document).settings
        return validate(model, document)
    except ConfigError as error:
        return error.problems


def assert_sentences(problems):
    assert problems
    for problem in problems:
        assert problem.isprintable(), problem
        assert len(problem) < 1000


@many
@given(changed())
def test_any_change_of_a_configuration_is_read_or_refused_in_sentences(data):
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    try:
        document = parse_yaml(text, "c.yaml")
    except ConfigError as error:
        assert_sentences(error.problems)
        return

    found = read(document)

    if isinstance(found, list):
        assert_sentences(found)
    else:
        again = read(parse_yaml(resolved_yaml(found), "again.yaml"))
        assert again.model_dump() == found.model_dump()


@many
@given(st.text(st.sampled_from(PUNCTUATION), max_size=60))
def test_any_text_is_read_or_refused_in_sentences(text):
    try:
        found = read(parse_yaml(text, "c.yaml"))
    except ConfigError as error:
        found = error.problems
    if isinstance(found, list):
        assert_sentences(found)


@many
@given(
    st.sampled_from(list(places(BEGUN))),
    st.lists(
        st.one_of(st.text(max_size=20), st.sampled_from(ODD).map(str)), max_size=3
    ),
)
def test_anything_typed_is_read_or_refused_in_sentences(place, words):
    document = read_yaml(packaged_configs.find_config("demo"))
    key = ".".join(map(str, place[1:]))

    found = read(overridden(document, [*(f"{key}={word}" for word in words), *words]))

    if isinstance(found, list):
        assert_sentences(found)
