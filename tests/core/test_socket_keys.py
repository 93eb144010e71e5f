import pytest

from specklenn.core.errors import ConfigError
from specklenn.core.socket_keys import SocketKeys, read_keys, write_keys

KEYS = SocketKeys(side="run", public="a" * 40, secret="b" * 40, other="c" * 40)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "run.json"
    write_keys(made, KEYS)
    return made


def test_keys_are_read_as_they_were_written(path):
    assert read_keys(path, "run") == KEYS


def test_only_their_owner_can_read_them(path):
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660])
def test_keys_that_others_can_read_are_refused(path, mode):
    path.chmod(mode)

    with pytest.raises(ConfigError, match=rf"run.json: .*mode {mode:04o}.* 0600"):
        read_keys(path, "run")


def test_keys_that_are_there_are_not_replaced(path):
    with pytest.raises(ConfigError, match=r"run.json: cannot be made: File exists"):
        write_keys(path, KEYS)


def test_a_link_to_a_file_is_not_written_to(tmp_path):
    (tmp_path / "elsewhere").write_text("precious")
    (tmp_path / "run.json").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="File exists"):
        write_keys(tmp_path / "run.json", KEYS)

    assert (tmp_path / "elsewhere").read_text() == "precious"


def test_keys_of_the_other_side_are_refused(path):
    with pytest.raises(ConfigError, match="keys of the run found, keys of the client"):
        read_keys(path, "client")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 4000,
        b'{"side": "run"}',
        b'{"side": "run", "public": "x", "secret": "y", "other": "z"}',
    ],
)
def test_what_is_no_keys_is_refused(path, content):
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"run.json: no keys"):
        read_keys(path, "run")


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_keys(tmp_path / "none.json", "run")
