"""``--set KEY=VALUE`` on top of a document, whatever the document is for."""

from pathlib import Path

import pytest
import yaml

from specklenn.core.config.loading import load_config, resolved_yaml
from specklenn.core.config.overrides import overridden
from specklenn.core.errors import ConfigError
from specklenn.core.finetuning.settings import Adaptation
from specklenn.core.settings_file import parse_yaml, read_yaml, validate
from specklenn.core.simulation.experiment import Experiment
from specklenn.core.training.train_config import TrainingRun
from specklenn.plugin.packaged_configs import find_config

RUN = """\
source: {kind: hdf5, path: a.h5}
support: {file: s.yaml}
calibration: {mask_file: m.h5}
model: {weights: w.safetensors}
"""
ADAPT = """\
data: [{file: a.h5, labels: a.json}]
start: w.safetensors
calibration: {mask_file: m.h5}
output: made
"""
TRAIN = """\
data: [a.h5]
start: [w.safetensors]
validation: v.h5
output: made.safetensors
"""
SIMULATE = "structures: [a.pdb]\ndetector: {positions: p.npy}\n"

NAMES = [
    (RUN, "source.path", "x", lambda run: run.source.path),
    (RUN, "source.path", "[y, x]", lambda run: run.source.paths[1]),
    (RUN, "source", "{kind: hdf5, path: x}", lambda run: run.source.path),
    (RUN, "support.file", "x", lambda run: run.support.file),
    (RUN, "support", "{file: x}", lambda run: run.support.file),
    (
        RUN,
        "support",
        "{shots: {a: [{file: x, events: [1]}]}}",
        lambda run: run.support.shots["a"][0].file,
    ),
    (RUN, "calibration.mask_file", "x", lambda run: run.calibration.mask_file),
    (RUN, "model", "{weights: x.safetensors}", lambda run: run.model.weights),
    (ADAPT, "data", "x", lambda made: made.data[0].file),
    (ADAPT, "data", "[{file: y, labels: x}]", lambda made: made.data[0].labels),
    (ADAPT, "start", "x.safetensors", lambda made: made.start),
    (ADAPT, "calibration", "{mask_file: x}", lambda made: made.calibration.mask_file),
    (ADAPT, "output", "x", lambda made: made.output),
    (TRAIN, "data", "[y, x]", lambda made: made.data[1]),
    (TRAIN, "start", "x", lambda made: made.start[0]),
    (TRAIN, "validation", "[{file: x}]", lambda made: made.validation[0].file),
    (TRAIN, "output", "x", lambda made: made.output),
    (SIMULATE, "structures", "[x]", lambda made: made.structures[0]),
    (SIMULATE, "structures", "[{file: x}]", lambda made: made.structures[0].file),
    (SIMULATE, "detector", "{positions: x}", lambda made: made.detector.positions),
]
MODELS = {ADAPT: Adaptation, TRAIN: TrainingRun, SIMULATE: Experiment}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a configuration in ``there`` from a shell in ``here``."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def made(text, *overrides):
        path = Path("../there/c.yaml")
        path.write_text(text)
        if text not in MODELS:
            return load_config(path, overrides).settings
        return validate(MODELS[text], overridden(read_yaml(path), overrides))

    return made


def files(value):
    """All texts of a resolved configuration that are files of this test."""
    if isinstance(value, dict):
        return {name for item in value.values() for name in files(item)}
    if isinstance(value, list):
        return {name for item in value for name in files(item)}
    return {value} if isinstance(value, str) and value.startswith("/tmp") else set()


@pytest.mark.parametrize(("text", "key", "value", "found"), NAMES)
def test_a_name_that_was_typed_starts_from_here_wherever_it_stands(
    read, text, key, value, found
):
    given = found(read(text, f"{key}={value}"))

    suffix = ".safetensors" if "x.safetensors" in value else ""
    assert Path(given) == Path.cwd() / f"x{suffix}"


@pytest.mark.parametrize("text", [RUN, ADAPT, TRAIN, SIMULATE])
def test_typing_another_value_leaves_the_names_of_the_file_where_they_are(
    read, text, tmp_path
):
    override = {
        RUN: "calibration.adu_per_photon=2",
        ADAPT: "calibration.adu_per_photon=2",
        TRAIN: "training.steps=3",
        SIMULATE: "detector.distance_m=1",
    }[text]

    def names(settings):
        return files(yaml.safe_load(resolved_yaml(settings)))

    changed = names(read(text, override))
    assert changed == names(read(text))
    assert {Path(name).parent.resolve() for name in changed} == {tmp_path / "there"}


@pytest.mark.parametrize("text", [RUN, ADAPT, TRAIN, SIMULATE])
def test_a_resolved_configuration_means_the_same_in_any_folder(read, text, tmp_path):
    settings = read(text)
    path = tmp_path / "elsewhere.yaml"
    path.write_text(resolved_yaml(settings))

    if text is RUN:
        assert load_config(path).settings.model_dump() == settings.model_dump()
    else:
        assert validate(MODELS[text], read_yaml(path)) == settings


def test_a_default_name_starts_from_the_folder_of_the_file(read):
    (Path("../there") / "a.yaml").write_text("data: a.h5")

    made = validate(Adaptation, read_yaml(Path("../there/a.yaml")))

    assert made.output == Path.cwd() / "../there/adapted"


def test_a_tilde_is_the_home_folder(read, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    settings = read(RUN.replace("s.yaml", "~/s.yaml"), "source.path=~/b.h5")

    assert settings.support.file == Path("/home/me/s.yaml")
    assert settings.source.path == Path("/home/me/b.h5")


def test_a_packaged_model_stays_a_name(read):
    assert read(RUN, "model.weights=default").model.weights == "default"
    assert read(ADAPT, "start=default").start == "default"


@pytest.mark.parametrize(
    "word",
    [
        "900091",
        "0077",
        "1e5",
        "scan #3",
        "a: b",
        "*.h5",
        "@home",
        "%1",
        "{experiment}",
        "{experiment}-r{run:04d}",
        "- x",
        "> y",
        "!z",
        "&w",
        "'s",
        "`v",
        "yes",
        "2026-11-30",
    ],
)
def test_a_word_arrives_as_it_was_typed(read, word):
    settings = read(RUN, f"output.folder={word}", f"source.path={word}")

    assert settings.output.folder == word
    assert settings.source.path == Path.cwd() / word
    assert yaml.safe_load(resolved_yaml(settings))["output"]["folder"] == word


def test_a_number_is_decimal_and_quotes_make_a_word_of_it(read):
    settings = read(RUN, "run.number=0012", "run.experiment='0012'")

    assert (settings.run.number, settings.run.experiment) == (12, "0012")


def test_the_last_of_two_values_for_a_key_counts(read):
    given = ["run.number=1", "run={experiment: a}", "run.number=2"]

    assert (read(RUN, *given).run.experiment, read(RUN, *given).run.number) == ("a", 2)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("nokey", "--set nokey: KEY=VALUE expected, as source.path=a.h5"),
        ("=1", "--set =1: KEY=VALUE expected"),
        ("run.number=yes", "--set: run.number: 'yes' found, expected a whole number"),
        ("run.number=1:30", "--set: run.number: '1:30' found, expected a whole number"),
        ("run={number: 1", "--set: run: '{number: 1' found, expected a group of keys"),
        ("loop.batch_shots=[", "--set loop.batch_shots:1: not YAML"),
        ("run={number: 1, number: 2}", "--set run:1: number stands twice"),
        ("a.b=1", "--set: a: unknown key (found {'b': 1})"),
        ("run.numbr=1", "--set: run.numbr: unknown key (found 1)"),
        ("source={kind: simulated}", "--set: source.experiment: missing"),
        ("source.path=", "--set: source.path: None found, expected the name of a file"),
        ("source.path=[a, '']", "--set: source.path: ['a', ''] found, expected the"),
    ],
)
def test_a_wrong_override_is_told_with_all_other_problems(read, override, told):
    with pytest.raises(ConfigError) as caught:
        read(RUN + "outputs: 1\n", override)

    for start in (told, "../there/c.yaml:5: outputs: unknown key"):
        assert any(line.startswith(start) for line in caught.value.problems)


def test_a_key_inside_a_list_is_refused_with_what_to_write_instead():
    document = parse_yaml("data: [{file: a.h5}]", "a.yaml")

    (told,) = overridden(document, ["data.0.file=b.h5"]).problems

    assert told == "--set data: a list, which is given whole: data=[...]"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", None),
        ("- 1", "--set run.number=0: c.yaml is no mapping of keys"),
        ("words", "--set run.number=0: c.yaml is no mapping of keys"),
    ],
)
def test_an_override_of_no_mapping_is_told_but_an_empty_file_is_one(text, told):
    document = overridden(parse_yaml(text, "c.yaml"), ["run.number=0"])

    assert document.problems == (() if told is None else (told,))
    assert told is not None or document.data == {"run": {"number": 0}}


def test_text_that_a_kind_of_source_takes_as_it_is_stays_text():
    path, given = find_config("om"), "source.data_retrieval_layer.calibration=[x.h5]"

    groups = load_config(path, [given]).settings.source.groups

    kept = yaml.safe_load(yaml.safe_dump(groups))
    assert kept["data_retrieval_layer"]["calibration"] == ["x.h5"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            "{jitter_shape: 0, shot_noise: false}",
            {"jitter_shape": 0, "shot_noise": False},
        ),
        ("{}", {}),
        ("{run}", "{run}"),
        ("{experiment}-{run}", "{experiment}-{run}"),
    ],
)
def test_a_group_is_a_group_whatever_its_values_and_a_template_is_a_word(
    typed, expected
):
    assert overridden(parse_yaml("", "c.yaml"), [f"noise={typed}"]).data == {
        "noise": expected
    }
