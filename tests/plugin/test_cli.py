"""The command line from outside."""

import pytest
import yaml

from specklenn.plugin.cli import COMMANDS


def test_help_names_every_command(command):
    done = command("--help")

    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command, name):
    done = command(name, "--help")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: specklenn {name}")


def test_the_version_is_the_packages(command):
    assert command("--version").stdout == "specklenn 0.1.0\n"


@pytest.mark.parametrize("words", [["fly"], ["run"], ["config", "grow", "x"]])
def test_wrong_usage_ends_with_2(command, words):
    done = command(*words)

    assert done.returncode == 2
    assert "error" in done.stderr


def test_a_good_configuration_is_called_good(command, run_folder):
    done = command("config", "check", run_folder.config)

    assert done.returncode == 0, done.stderr
    assert "good: 600 shots of frames (100, 100)" in done.stdout


def test_a_bad_configuration_is_refused_with_its_line(command, run_folder):
    bad = run_folder.path / "bad.yaml"
    bad.write_text(run_folder.config.read_text() + "extra: 1\n")

    done = command("config", "check", bad)

    assert done.returncode == 2
    assert "bad.yaml:6: extra: unknown key" in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("simulate", "2 samples, frames of 172 x 172 pixels"),
        ("simulate_virus", "1 samples, frames of 2 x 64 x 128 pixels"),
        ("train_offline", "good"),
    ],
)
def test_experiments_and_trainings_are_checked_too(command, name, words):
    result = command("config", "check", name)

    assert result.returncode == 0, result.stderr
    assert words in result.stdout


def test_an_experiment_is_shown_with_its_defaults(command):
    result = command("config", "show", "simulate", "--set", "fluence=3")

    shown = yaml.safe_load(result.stdout)
    assert shown["fluence"] == 3
    assert shown["detector"]["binning"] == 1


def test_the_resolved_configuration_is_shown_with_its_defaults(command):
    done = command("config", "show", "demo", "--set", "run.number=7")

    assert "number: 7" in done.stdout
    assert "lease_shots: 256" in done.stdout
