"""What the README and the docs say is true: every command in them is run here."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from specklenn.core.config.loading import load_config
from specklenn.core.data import labelled_dataset
from specklenn.core.simulation.particles import make_particle
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
        "show",
        "simulate",
        "evaluate",
        "train",
    ]
    assert (folder / "results/amo06516-r0094/results.h5").is_file()
    supports = load_supports(folder / "support.yaml")
    labels = labelled_dataset.read_dataset(folder / "run.cxi").labels
    for name, origin in zip(supports.labels, supports.origins, strict=True):
        assert labels[int(origin.split()[-1])] == name
    assert load_config(folder / "experiment.yaml").settings.run.number == 94
    python = "import numpy as np\npatterns = np.eye(172)[None]\n"
    python += "\n".join(blocks(README, "python"))
    python += "print(result.labels.shape, table['shot'][-1])"
    words = [sys.executable, "-c", python]
    shown = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert shown.stdout.splitlines()[-1:] == ["(1,) 399"], shown.stderr


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_in_the_documents_lead_somewhere(name):
    path = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)\)", path.read_text())

    missing = [
        target
        for target in targets
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("name", [*DOCUMENTS, "docs/shot.svg"])
def test_modules_that_the_documents_name_exist(name):
    text = (ROOT / name).read_text()
    pattern = r"\b(?:core|plugin|gui|tests|benchmarks|examples)/[\w/]+\.\w+"

    named = {path for path in re.findall(pattern, text) if "NAME" not in path}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_tree_in_the_architecture_is_the_tree():
    text = (ROOT / "docs/architecture.md").read_text()
    tree = next(block for block in blocks(text, "text") if block.startswith("core/ "))
    lines = [line.split() for line in tree.splitlines()]
    packages = {
        f"{path.parent.relative_to(ROOT)}/"
        for folder in ("core", "plugin", "gui")
        for path in (ROOT / folder).rglob("__init__.py")
    }

    assert {folder for folder, *_ in lines} == packages - {"gui/"}
    assert [
        f"{folder}{module}"
        for folder, *modules in lines
        for module in modules
        if not (ROOT / folder / f"{module}.py").is_file()
    ] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_the_documents_import_exists(name):
    for block in blocks((ROOT / name).read_text(), "python"):
        for line in re.findall(r"^from specklenn\..*", block, flags=re.M):
            exec(line, {})


def test_every_decision_is_short_and_in_the_index():
    folder = ROOT / "docs/decisions"
    records = {path.name: path.read_text() for path in folder.glob("0*.md")}

    index = re.findall(r"\((0\w+[\w-]*\.md)\)", (folder / "README.md").read_text())
    assert sorted(index) == sorted(records)
    for name, text in records.items():
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.M) == [
            "Question",
            "Decision",
            "Consequences",
        ], name
        assert text.count("\n") < 40, name


def test_the_readme_is_finished():
    assert not re.search(r"@[A-Z_]+@", README)


SPLIT = ("train",) * 3 + ("selection",) * 2 + ("validation",) * 2
FEWER = {
    r"steps: \d+": "steps: 2",
    r"validate_every: \d+": "validate_every: 2",
    r"patterns_per_class: \d+": "patterns_per_class: 8",
}
"""Numbers in the trainings that are made smaller for the test."""


@pytest.fixture
def small_release(tmp_path):
    """The files that docs/reproduce.md names, with small structures, and few steps."""
    for name in ("docs", "configs", "structures", "WORK"):
        (tmp_path / name).mkdir()
    shutil.copytree(ROOT / "examples/release", tmp_path / "examples/release")
    for path in (ROOT / "configs").glob("train_*.yaml"):
        text = path.read_text()
        for words, fewer in FEWER.items():
            text = re.sub(words, fewer, text)
        (tmp_path / "configs" / path.name).write_text(text)
    lines = ["id,family,atoms,split"]
    for index, split in enumerate(SPLIT):
        particle = make_particle(1, index, (900, 1000))
        np.savez(
            tmp_path / f"structures/{index}ABC.npz",
            xyz_centi_angstrom=(particle.positions * 100).astype(np.int16),
            z=particle.atomic_numbers,
        )
        lines.append(f"{index}ABC,family{index},950,{split}")
    (tmp_path / "docs/splits.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_weights_are_reproduced_by_the_commands_in_the_docs(small_release):
    script = "\n".join(blocks((ROOT / "docs/reproduce.md").read_text(), "sh"))
    words = [
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script.replace("STRUCTURES", "structures"),
    ]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PATTERNS": "8",
        "BODIES": "2",
    }

    done = subprocess.run(
        words, cwd=small_release, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    work = small_release / "WORK"
    for name in ("model", "paper_96"):
        assert (work / f"{name}.card.json").is_file()
    report = json.loads((work / "default.json").read_text())
    assert set(report["shots"]) == {"1", "5"}  # 20 supports want more patterns
    assert report["n_patterns"] == 2 * 3 * 8
    scan = json.loads((work / "report/scores.json").read_text())["fluence_scan"]
    assert len(scan) == 9
    assert "Shi 2019" in (work / "table.csv").read_text()
