import re
from pathlib import Path

import pytest
import yaml

from specklenn.core.config.loading import load_config, resolved_yaml
from specklenn.core.errors import ConfigError, WeightsError
from specklenn.core.network import checkpoint

SMALLEST = "source: {kind: hdf5, path: a.h5}\nsupport: {file: s.yaml}\n"


def load(tmp_path, text, *overrides):
    (tmp_path / "c.yaml").write_text(text)
    return load_config(tmp_path / "c.yaml", overrides)


def problems(tmp_path, text, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides)
    return caught.value.problems


def test_defaults_fill_what_the_file_leaves_out(tmp_path):
    config = load(tmp_path, SMALLEST).settings

    assert config.source.dataset == "/entry_1/data_1/data"
    assert config.publish.endpoint == "tcp://127.0.0.1:5556"
    assert config.classify.reject_above_distance is None
    assert config.hit_finder.enabled


def test_all_problems_come_at_once_with_file_line_key_and_what_is_allowed(tmp_path):
    text = """\
source:
  kind: hdf5
  path: a.h5
  rate_Hz: 3
support: {file: s.yaml, shots: {a: []}}
loop: {batch_shots: many}
publish:
  endpoint: tcp://0.0.0.0:1
outputs: {}
loop: {lease_shots: 0}
"""
    found = problems(tmp_path, text)

    assert [line.split("c.yaml:")[1].split(":")[0] for line in found] == [
        "10",
        "4",
        "5",
        "10",
        "7",
        "9",
    ]
    assert "loop stands twice" in found[0]
    assert "source.rate_Hz: unknown key" in found[1]
    assert "exactly one of file and shots" in found[2]
    assert "loop.lease_shots: 0 found, expected greater than" in found[3]
    assert "allow_remote" in found[4]
    assert "outputs: unknown key" in found[5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "source: {kind: nosuch}\nsupport: {file: s}",
            "source.kind: 'nosuch' found, expected .*'hdf5'",
        ),
        ("source: {path: a}\nsupport: {file: s}", "source.kind: missing"),
        (SMALLEST + "model: {device: tpu}", "model.device: 'tpu' found"),
        (SMALLEST + "output: {folder: 'x{y}'}", "only {experiment} and {run}"),
        (SMALLEST + "classify: {temperature: 0}", "greater than 0"),
        (SMALLEST + "run: {number: -1}", "run.number: -1 found"),
        (SMALLEST + "metrics: {port: 0}", "metrics.port: 0 found"),
        (
            SMALLEST + "metrics: {host: 0.0.0.0}",
            r"host of 127\.0\.0\.1, localhost, ::1, or allow_remote: true",
        ),
        (
            SMALLEST + "output: {emc: true, save_classes: [multi-hit]}",
            "expected single-hit in save_classes, or emc: false",
        ),
        ("- 1", "the file: \\[1\\] found, expected a group of keys"),
        ("", "source: missing"),
        ("a: [", "c.yaml:1: not YAML"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path, text, words):
    assert any(re.search(words, line) for line in problems(tmp_path, text))


def test_values_on_the_command_line_win(tmp_path):
    loaded = load(
        tmp_path,
        SMALLEST,
        "source.path=b.h5",
        "loop.batch_shots=7",
        "publish.enabled=false",
        "run.number=3",
    )

    assert loaded.settings.source.path == Path.cwd() / "b.h5"
    assert loaded.settings.loop.batch_shots == 7
    assert not loaded.settings.publish.enabled


def test_files_named_in_the_file_start_there_and_by_hand_here(tmp_path):
    settings = load(tmp_path, SMALLEST, "source.path=b.h5").settings

    assert settings.source.path == Path.cwd() / "b.h5"
    assert settings.support.file == tmp_path / "s.yaml"


def test_sources_of_other_packages_learn_where_each_name_was_written(tmp_path):
    given = ["source={kind: hdf5, path: b.h5}", "source.dataset=/a"]
    folder = load(tmp_path, SMALLEST, "source.dataset=/a").folder

    assert folder.path("a.h5") == tmp_path / "a.h5"
    assert load(tmp_path, SMALLEST, *given).folder.path("b.h5") == Path("b.h5")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("source.path", "KEY=VALUE expected"),
        ("loop.batch_shots=x", "--set: loop.batch_shots: 'x' found"),
        ("a.b=[", "--set a.b"),
    ],
)
def test_a_wrong_override_is_named(tmp_path, override, words):
    assert any(words in line for line in problems(tmp_path, SMALLEST, override))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "'::1'"])
def test_numbers_are_shown_on_this_machine_only_unless_asked_for(tmp_path, host):
    near = load(tmp_path, SMALLEST + f"metrics: {{host: {host}}}").settings
    far = "metrics: {enabled: true, host: 0.0.0.0, allow_remote: true}"

    assert not near.metrics.enabled
    assert load(tmp_path, SMALLEST + far).settings.metrics.host == "0.0.0.0"


def test_numbers_written_with_an_exponent_are_numbers(tmp_path):
    config = load(tmp_path, SMALLEST + "classify: {temperature: 1e-2}").settings

    assert config.classify.temperature == 0.01


def test_the_resolved_configuration_reads_back_to_the_same(tmp_path):
    config = load(tmp_path, SMALLEST).settings

    assert type(config).model_validate(yaml.safe_load(resolved_yaml(config))) == config


def test_the_output_folder_names_experiment_and_run(tmp_path):
    config = load(tmp_path, SMALLEST + "run: {experiment: amo, number: 94}").settings

    assert config.output_folder == Path("output/amo-r0094")


def test_a_simulated_experiment_may_stand_in_a_file_of_its_own(tmp_path):
    folder = tmp_path / "experiments"
    folder.mkdir()
    text = "seed: 7\nstructures: [one.pdb]\ndetector: {positions: pixels.npy}"
    (folder / "one.yaml").write_text(text)
    (tmp_path / "a.yaml").write_text(
        "source: {kind: simulated, experiment: experiments/one.yaml}\n"
        "support: {file: s.yaml}"
    )

    given = ["source.experiment.fluence=2"]
    experiment = load_config(tmp_path / "a.yaml", given).settings.source.experiment

    assert load_config(tmp_path / "a.yaml").settings.source.experiment.seed == 7
    assert (experiment.seed, experiment.fluence) == (7, 2.0)
    assert experiment.structures == (folder / "one.pdb",)
    assert experiment.detector.positions == folder / "pixels.npy"


def test_a_wrong_experiment_in_a_file_of_its_own_is_named_with_that_file(tmp_path):
    (tmp_path / "one.yaml").write_text("seed: 7\nfluence: -1\nbodies: []")
    (tmp_path / "a.yaml").write_text(
        "source: {kind: simulated, experiment: one.yaml}\nsupport: {file: s.yaml}"
    )

    with pytest.raises(ConfigError, match=r"one.yaml:2: fluence: -1 found"):
        load_config(tmp_path / "a.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read: No such file"):
        load_config(tmp_path / "no.yaml")


def test_settings_cannot_be_changed(tmp_path):
    config = load(tmp_path, SMALLEST).settings

    with pytest.raises(ValueError, match="frozen"):
        config.loop.batch_shots = 3


@pytest.mark.parametrize(
    "folder",
    ["'{'", "'{run.real}'", "'{run[0]}'", "'{run:999999999d}'", '"a\\nb"', "''"],
)
def test_a_folder_whose_name_cannot_be_made_is_refused(tmp_path, folder):
    (told,) = problems(tmp_path, SMALLEST + f"output: {{folder: {folder}}}\n")

    assert "output.folder: " in told
    assert "only {experiment} and {run} are replaced" in told


def test_a_name_too_long_for_any_file_is_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"no packaged model 'a{5000}'"):
        checkpoint.find("a" * 5000)
    for name in ("b" * 256, "c/" + "ä" * 128):
        text = SMALLEST + f"calibration: {{mask_file: {name}}}"
        assert "names of at most 255 bytes" in problems(tmp_path, text)[0]
    longest = SMALLEST + f"calibration: {{mask_file: {'b' * 255}}}"
    assert load(tmp_path, longest).settings.calibration.mask_file.name == "b" * 255
