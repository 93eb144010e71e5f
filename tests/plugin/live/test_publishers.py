import pytest

from specklenn.plugin.publishers import Publishers


class Kept:
    def __init__(self, fails=False):
        self.said, self.closed, self.fails = [], False, fails

    def publish(self, snapshot):
        self.said.append(snapshot)

    def close(self):
        self.closed = True
        if self.fails:
            raise OSError("cannot")


def test_every_publisher_gets_every_snapshot():
    first, second = Kept(), Kept()
    both = Publishers([first, second])

    both.publish("one")
    both.publish("two")

    assert first.said == second.said == ["one", "two"]


def test_nobody_need_be_told():
    nobody = Publishers([])

    nobody.publish("one")
    nobody.close()


def test_all_are_closed_also_where_one_cannot():
    first, second = Kept(fails=True), Kept()

    with pytest.raises(OSError, match="cannot"):
        Publishers([first, second]).close()
    assert first.closed
    assert second.closed
