"""What docs/operating.md says can be done is done here, in the order shown."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from specklenn.core.config.loading import load_config

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/operating.md").read_text()
CONFIG = "source: {kind: hdf5, path: a.h5}\nsupport: {file: s.yaml}\n"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def lines(language):
    joined = "".join(blocks(language)).replace("\\\n", " ")
    return [shlex.split(line) for line in joined.splitlines()]


@pytest.mark.mpi
@pytest.mark.slow
def test_every_command_works_in_the_order_shown(
    run_folder, command, tmp_path, read_emc
):
    folder = tmp_path / "run"
    shutil.copytree(run_folder.path, folder)
    shutil.copy(run_folder.config, folder / "experiment.yaml")
    done = []
    for words in lines("sh"):
        ranks = None
        if words[0] == "mpirun":
            ranks, words = words[2], words[3:]
        assert words[0] == "specklenn"
        result = command(*words[1:], ranks=ranks, cwd=folder)
        assert result.returncode == 0, f"{words}\n{result.stdout}\n{result.stderr}"
        done.append(words[1])

    assert done == ["config", "run", "run", "emc"]
    assert (folder / "rehearsal/results.h5").is_file()
    assert len(read_emc(folder / "hits.emc")) > 0
    made = (folder / "with-emc/hits.emc").read_bytes()
    assert made == (folder / "hits.emc").read_bytes()


def test_settings_of_commands_that_need_a_site_exist(tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIG)
    text = "".join(blocks("text")).replace("{run}", "94").replace("{start}", "now")
    settings = re.findall(r"--set (\S+)", text)

    load_config(tmp_path / "a.yaml", settings)

    assert {setting.partition("=")[0] for setting in settings} == {
        "publish.endpoint",
        "publish.keys",
        "metrics.enabled",
        "run.number",
        "output.folder",
    }


def test_the_table_of_ranks_gives_the_defaults(tmp_path):
    (tmp_path / "a.yaml").write_text(CONFIG)
    config = load_config(tmp_path / "a.yaml").settings.model_dump()
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \((\d+)\)", TEXT, flags=re.MULTILINE)

    assert len(rows) == 3
    assert all(config[group][key] == float(value) for group, key, value in rows)
