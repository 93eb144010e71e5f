"""The tree states the architecture; these tests enforce it."""

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FORBIDDEN = {
    "core": (
        "specklenn.plugin",
        "specklenn.gui",
        "mpi4py",
        "zmq",
        "PySide6",
        "pyqtgraph",
        "psana",
        "om",
        "karabo_bridge",
        "extra_data",
        "extra_geom",
        "prometheus_client",
    ),
    "plugin": ("specklenn.gui", "PySide6", "pyqtgraph"),
    "gui": (
        "specklenn.plugin",
        "specklenn.configs",
        "specklenn.core",
        "torch",
        "mpi4py",
        "PySide6",
    ),
}
ALLOWED = {
    "gui": (
        "specklenn.core.intervals",
        "specklenn.core.labelling.session_view",
        "specklenn.core.messages",
        "specklenn.core.socket_keys",
    )
}
OUTSIDE_ONLY = ("core", "plugin", "gui", "configs")


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def starts_with(name, prefixes):
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_point_in_the_allowed_direction(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / folder).rglob("*.py")
        for name in imports_of(path)
        if starts_with(name, FORBIDDEN[folder])
        and not starts_with(name, ALLOWED.get(folder, ()))
    ]
    assert wrong == []


@pytest.mark.parametrize("folder", OUTSIDE_ONLY)
def test_nothing_is_imported_past_the_package_name(folder):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for place in (*OUTSIDE_ONLY, "tests", "benchmarks", "examples")
        for path in (ROOT / place).rglob("*.py")
        for name in imports_of(path)
        if starts_with(name, (folder,))
    ]
    assert wrong == []


def test_every_package_folder_is_listed_in_setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    listed = set(parser["options"]["packages"].split())
    found = {
        ".".join(("specklenn", *path.parent.relative_to(ROOT).parts))
        for top in OUTSIDE_ONLY
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert found == listed


@pytest.mark.parametrize("folder", OUTSIDE_ONLY)
def test_package_files_hold_a_docstring_and_nothing_else(folder):
    for path in (ROOT / folder).rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        assert [type(node) for node in body] == [ast.Expr], path


def test_no_pickle_crosses_a_boundary():
    wrong = [
        path
        for folder in ("core", "plugin", "gui")
        for path in (ROOT / folder).rglob("*.py")
        if any(
            starts_with(name, ("pickle", "dill", "joblib")) for name in imports_of(path)
        )
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import specklenn.plugin.cli", ("numpy", "torch", "pydantic", "rich")),
        ("import specklenn.core.messages", ("torch", "pydantic", "h5py", "yaml")),
        ("import specklenn.core.intervals", ("torch", "pydantic", "h5py", "msgspec")),
        (
            "import specklenn.gui.monitor.app",
            ("torch", "PySide6", "pyqtgraph", "h5py"),
        ),
        (
            "import specklenn.gui.labeller.app",
            ("torch", "PySide6", "pyqtgraph", "h5py", "pydantic"),
        ),
        (
            "import specklenn.core.config.loading",
            ("torch", "finufft", "scipy", "mpi4py"),
        ),
    ],
)
def test_light_modules_stay_light(code, heavy):
    check = f"{code}; import sys; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True
    )
    assert found.stdout.strip() == "[]", found.stderr


def test_weights_stay_small_enough_for_the_repository():
    sizes = [path.stat().st_size for path in (ROOT / "core/network/weights").rglob("*")]
    assert sum(sizes) <= 10e6


def test_hdf5_files_are_written_in_one_format_from_one_place():
    """Whoever opens one for writing calls `dataset_writer.open_for_writing`."""
    found = [
        path.relative_to(ROOT).as_posix()
        for place in ("core", "plugin", "gui", "examples")
        for path in (ROOT / place).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("h5py.File")
        and [ast.unparse(mode) for mode in node.args[1:2]] not in ([], ["'r'"])
    ]
    assert found == ["core/data/dataset_writer.py"]
