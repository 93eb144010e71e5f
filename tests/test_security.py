"""Nothing that comes from outside can run code; see docs/security.md."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [
    path for part in ("core", "plugin", "gui") for path in (ROOT / part).rglob("*.py")
]

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "pickle.loads",
    "tempfile.mktemp",
}
WRITES_PICKLES = "plugin/om/viewer.py"
"""What OM's own windows take; it reads none."""


def called(node):
    """The dotted name that a call calls; a method of a result has none."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    parts.append(node.id if isinstance(node, ast.Name) else "()")
    return ".".join(reversed(parts))


def found_in(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            if called(node.func) in CALLS:
                yield called(node.func)
            for keyword in node.keywords:
                true = isinstance(keyword.value, ast.Constant) and keyword.value.value
                if keyword.arg in ("allow_pickle", "shell") and true:
                    yield keyword.arg


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_can_be_made_to_run_what_it_reads(path):
    found = set(found_in(path))
    if path == ROOT / WRITES_PICKLES:
        found -= {"pickle"}
    assert not found


def test_the_search_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "import pickle\nfrom dill import loads\ntorch.load(a)\neval(b)\n"
        "np.load(c, allow_pickle=True)\nsubprocess.run(d, shell=True)\n"
    )

    assert sorted(found_in(path)) == [
        "allow_pickle",
        "dill",
        "eval",
        "pickle",
        "shell",
        "torch.load",
    ]
