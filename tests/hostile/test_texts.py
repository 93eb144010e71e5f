"""Whatever stands in a file of text, it is read or refused in sentences."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from specklenn.core.config.loading import check_config
from specklenn.core.errors import SpecklennError
from specklenn.core.labelling.label_file import read_labels
from specklenn.core.settings_file import read_yaml, validate
from specklenn.core.support import SupportFile
from specklenn.plugin import packaged_configs

YAML = (
    b"&a [*a]",
    b"*a",
    b"!!python/object/apply:os.system [id]",
    b"!!binary x",
    b"<<: ",
    b"\t",
    b"- " * 500,
    b"{" * 3000,
    b"0" * 5000,
    b"1e999999999",
    b"\0",
    b"\xff",
    b"---\n",
    b"%YAML 9",
)
JSON = (b"[" * 100_000, b"NaN", b"1e999", b"9" * 5000, b'"\\ud800"', b"null", b"\xff")

SUPPORTS = b"version: 1\nclasses:\n  a:\n  - {file: a.h5, events: [0, 1]}\n"
LABELS = (
    b'{"data": {"path": "run.cxi", "bytes": 5120}, "labels": {"12": "single-hit"}}',
    b'{"12": "1", "31": "0"}',
)
RUN = SimpleNamespace(path=Path("run.cxi"), shots=100, mismatch=lambda other: "")


def configurations():
    names = ("demo", "cxi", "euxfel", "lclstreamer", "lcls2", "om")
    return [packaged_configs.find_config(name).read_bytes() for name in names]


def assert_read_or_refused(path, content, read):
    path.write_bytes(content)
    with suppress(SpecklennError):
        read(path)


@pytest.mark.slow
def test_a_configuration_is_read_or_refused(hostile, tmp_path):
    for content in hostile(*configurations(), tokens=YAML):
        assert_read_or_refused(
            tmp_path / "c.yaml", content, lambda path: check_config(read_yaml(path))
        )


def test_a_support_file_is_read_or_refused(hostile, tmp_path):
    for content in hostile(SUPPORTS, tokens=YAML):
        assert_read_or_refused(
            tmp_path / "s.yaml",
            content,
            lambda path: validate(SupportFile, read_yaml(path)),
        )


def test_a_file_of_labels_is_read_or_refused(hostile, tmp_path):
    for content in hostile(*LABELS, tokens=JSON):
        assert_read_or_refused(
            tmp_path / "run.labels.json", content, lambda path: read_labels(path, RUN)
        )
