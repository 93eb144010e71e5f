import pytest

from specklenn.core.errors import ConfigError
from specklenn.plugin import packaged_configs
from specklenn.plugin.live.results import ResultsFile
from specklenn.plugin.live.run_state import RunFacts
from specklenn.plugin.replay import replay

STREAM = """\
source:
  kind: simulated
  rate_Hz: 40
  experiment:
    procedural: {{count: 1, seed: 5, atoms: [10000, 12000]}}
    pool: 4
support: {{file: {support}/demo.yaml}}
"""


def test_a_stream_cannot_be_replayed(tmp_path):
    support = packaged_configs.folder() / "support"
    (tmp_path / "config.yaml").write_text(STREAM.format(support=support))
    facts = RunFacts(experiment="t", run=1, classes=("a",), support_classes=("a",))
    ResultsFile(tmp_path / "results.h5", facts, "").close()

    with pytest.raises(ConfigError, match="a stream hands out shots only once"):
        replay(tmp_path)
