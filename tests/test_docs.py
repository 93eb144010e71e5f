"""What the README and the docs say is true: every command in them is run here."""

import re
import shlex
from pathlib import Path

import pytest

from specklenn.core import files
from specklenn.core.config import load_config
from specklenn.core.support import load_supports

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()

IN_CI = {"make demo", "make test"}
"""Too long for a test; .ci/run calls them."""


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text):
    return [
        line
        for block in blocks(text, "sh")
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the YAML files that the README shows."""
    made = tmp_path_factory.mktemp("readme")
    for block in blocks(README, "yaml"):
        name = re.match(r"# (\S+\.yaml)\n", block).group(1)
        (made / name).write_text(block)
    return made


def test_the_readme_shows_the_files_that_its_commands_use(folder):
    assert {path.name for path in folder.iterdir()} == {
        "support.yaml",
        "experiment.yaml",
    }


def test_long_commands_are_run_by_the_ci():
    script = (ROOT / ".ci/run").read_text()

    assert all(command in commands(README) for command in IN_CI)
    assert all(command in script for command in IN_CI)


@pytest.mark.mpi
@pytest.mark.slow
def test_every_command_of_the_readme_works_in_the_order_shown(folder, command):
    done = []
    for line in commands(README):
        if line in IN_CI:
            continue
        words = shlex.split(line)
        ranks = None
        if words[0] == "mpirun":
            ranks, words = words[2], words[3:]
        assert words[0] == "specklenn", line
        result = command(*words[1:], ranks=ranks, cwd=folder)
        assert result.returncode == 0, f"{line}\n{result.stdout}\n{result.stderr}"
        done.append(words[1])

    assert done == [
        "simulate",
        "config",
        "run",
        "monitor",
        "evaluate",
        "train",
    ]
    assert (folder / "results/amo06516-r0094/results.h5").is_file()
    assert (folder / "monitor.png").stat().st_size > 10_000
    supports = load_supports(folder / "support.yaml")
    labels = files.read_dataset(folder / "run.cxi").labels
    for name, origin in zip(supports.labels, supports.origins, strict=True):
        assert labels[int(origin.split()[-1])] == name
    assert load_config(folder / "experiment.yaml").settings.run.number == 94


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_in_the_documents_lead_somewhere(name):
    path = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text())

    missing = [
        target
        for target in targets
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert missing == []


def test_the_readme_is_finished():
    assert not re.search(r"@[A-Z_]+@", README)
