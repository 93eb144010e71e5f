"""``specklenn replay`` as a user gives it."""

from specklenn.core.rows import empty_rows
from specklenn.plugin import replay as replays
from specklenn.plugin.commands import replay


def test_a_run_of_which_nothing_can_be_made_anew_is_not_the_same(
    tmp_path, monkeypatch, capsys
):
    nothing = empty_rows(0, 1)
    found = replays.Replay(written=nothing, made=nothing, left_out=400)
    monkeypatch.setattr(replays, "replay", lambda folder: found)

    assert replay.main([str(tmp_path)]) == 1
    assert "400 rows are left out: they are of another" in capsys.readouterr().out
