"""What a configuration may say of psana; none of it needs psana."""

import subprocess
import sys

import pytest

from specklenn.core.data.sources import ConfigFolder, Share
from specklenn.core.errors import ConfigError, MissingPackageError
from specklenn.core.settings_file import Document, validate
from specklenn.plugin.sources.psana.job import Job
from specklenn.plugin.sources.psana.opening import constants_options, run_folder
from specklenn.plugin.sources.psana.process import CHILD, command, environment
from specklenn.plugin.sources.psana.settings import PsanaSettings

RUN = {"exp": "spitest", "run": 1, "dir": "xtc"}


def settings(**keys):
    return PsanaSettings(kind="psana", detector="spicam", **keys)


@pytest.mark.parametrize(
    "keys",
    [RUN, {"exp": "spitest", "run": 1}, {"files": "a.xtc2"}, {"shmem": "tmo"}],
)
def test_a_run_a_file_or_a_memory_is_enough(keys):
    assert settings(**keys).is_stream == ("shmem" in keys)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "exactly one of exp (with run), files and shmem, not none of them"),
        ({**RUN, "shmem": "tmo"}, "not exp and shmem"),
        ({"files": ["a.xtc2"], "shmem": "tmo"}, "not files and shmem"),
        ({"exp": "spitest"}, "exp and run together"),
        ({"run": 3, "shmem": "tmo"}, "exp and run together"),
        ({"files": "a.xtc2", "dir": "xtc"}, "dir only with exp and run"),
        ({"files": "a.xtc2", "live": True}, "live only with exp and run"),
        ({"shmem": "tmo", "use_mask": True}, "use_mask only for recorded runs"),
        ({**RUN, "live": True, "use_mask": True}, "use_mask only for recorded runs"),
        ({"files": []}, "names of xtc2 files"),
        ({"files": ["a.xtc2", ""]}, "names of xtc2 files"),
        ({"shmem": "../tmo"}, "pattern"),
        ({**RUN, "data": "fex"}, "'calib', 'raw' or 'image'"),
        ({**RUN, "constants": "web"}, "'none', 'cache' or 'database'"),
        ({**RUN, "psana": 1}, "unknown key"),
    ],
)
def test_what_says_nothing_or_too_much_is_refused_in_one_line(keys, words):
    document = Document({"kind": "psana", "detector": "spicam", **keys}, "a.yaml")

    with pytest.raises(ConfigError) as caught:
        validate(PsanaSettings, document)

    assert len(caught.value.problems) == 1
    assert words in caught.value.problems[0]


def test_file_names_start_from_the_folder_of_the_configuration(tmp_path):
    def job(**keys):
        data = {"kind": "psana", "detector": "spicam", **keys}
        return validate(PsanaSettings, Document(data, "a", folders=(tmp_path,))).job()

    assert job(**RUN).folder == str(tmp_path / "xtc")
    assert job(files=["a.xtc2"]).files == (str(tmp_path / "a.xtc2"),)


def test_a_run_without_a_folder_is_where_psana_expects_it(monkeypatch):
    monkeypatch.setenv("SIT_PSDM_DATA", "/data")

    folder = run_folder(settings(exp="tmox42619", run=3).job())

    assert folder == "/data/tmo/tmox42619/xtc"


def test_a_job_survives_the_way_to_psana():
    job = settings(files=["a.xtc2", "b.xtc2"], data="raw").job(2, 5)

    assert Job.from_json(job.to_json()) == job


def test_psana_is_started_without_mpi_and_without_our_warnings():
    job = settings(**RUN, growth_timeout_s=7).job()

    words = command(9, job)
    variables = environment({"HOME": "/home/x", "PS_PARALLEL": "mpi"}, job)

    assert words[1:5] == [
        "-W",
        "ignore",
        "-m",
        CHILD,
    ]
    assert variables["PS_PARALLEL"] == "none"
    assert variables["PS_R_MAX_RETRIES"] == "7"
    assert variables["HOME"] == "/home/x"


def test_without_constants_psana_asks_no_database():
    assert constants_options("none") == {"skip_calib_load": "all"}
    assert constants_options("cache")["use_calib_cache"] is True
    assert constants_options("database") == {}


@pytest.mark.parametrize("keys", [RUN, {"shmem": "tmo"}])
def test_a_missing_psana_is_told_with_the_command_that_installs_it(keys, monkeypatch):
    monkeypatch.setitem(sys.modules, "psana", None)
    made = settings(**keys)

    with pytest.raises(
        MissingPackageError, match=r"pip install \"specklenn\[psana\]\""
    ):
        made.check(ConfigFolder()) if made.is_stream else made.open(ConfigFolder())


def test_a_stream_is_no_run_and_opens_nothing():
    assert settings(shmem="tmo").open(ConfigFolder()) is None


def test_a_run_of_the_command_without_psana_ends_before_the_start(run_folder, tmp_path):
    config = tmp_path / "psana.yaml"
    config.write_text(
        "source: {kind: psana, shmem: tmo, detector: spicam}\n"
        f"model: {{weights: {run_folder.path}/w.safetensors}}\n"
        f"support: {{file: {run_folder.path}/support.yaml}}\n"
        f"output: {{folder: {tmp_path}/o}}\n"
    )
    program = (
        "import sys\n"
        "sys.modules['psana'] = None\n"
        "from specklenn.plugin.cli import main\n"
        "sys.exit(main())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "run", str(config)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 2, done.stderr
    assert done.stderr.count("specklenn: error: ") == 1
    assert 'pip install "specklenn[psana]"' in done.stderr
    assert not (tmp_path / "o").exists()


def test_importing_the_settings_imports_no_psana():
    program = (
        "import sys, specklenn.plugin.sources.psana.settings\n"
        "sys.exit('psana' in sys.modules or 'mpi4py' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], timeout=120)

    assert done.returncode == 0


def test_workers_share_a_stream_by_number():
    share = Share(worker=1, workers=3)

    job = settings(**RUN, live=True).job(share.worker, share.workers)

    assert (job.worker, job.workers) == (1, 3)
