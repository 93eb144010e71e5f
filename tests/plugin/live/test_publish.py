import pytest
import zmq

from specklenn.core.errors import ConfigError
from specklenn.core.messages import decode
from specklenn.plugin.commands.demo import free_port
from specklenn.plugin.live.publish import Publishers, ZmqPublisher
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.clock import SystemClock

FIRST = Version(
    model="default",
    weights_sha256="0a",
    rule="mean",
    support_version=3,
    support_hash="abc",
)


def state():
    facts = RunFacts(
        experiment="amo",
        run=94,
        classes=("single-hit", "no-hit"),
        support_classes=("single-hit",),
    )
    return RunState(
        facts=facts, first=FIRST, workers=[1], examples_per_class=6, now_s=0.0
    )


def test_a_window_gets_snapshots_in_one_part():
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    publisher, run = ZmqPublisher(endpoint, SystemClock()), state()
    with zmq.Context() as context, context.socket(zmq.SUB) as window:
        window.setsockopt(zmq.LINGER, 0)
        window.subscribe(b"")
        window.connect(endpoint)
        parts = None
        for _ in range(200):
            publisher.publish(run.snapshot(0.0, SystemClock().wall_ns()))
            if window.poll(20):
                parts = window.recv_multipart()
                break
    publisher.close()

    assert parts is not None
    assert len(parts) == 1
    assert decode(parts[0]).experiment == "amo"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_every_loopback_address_can_be_published_on(host):
    publisher = ZmqPublisher(f"tcp://{host}:{free_port()}", SystemClock())

    publisher.close()


def test_an_endpoint_in_use_is_refused_in_one_sentence():
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    first = ZmqPublisher(endpoint, SystemClock())
    with pytest.raises(ConfigError, match="another run publishing there"):
        ZmqPublisher(endpoint, SystemClock())
    first.close()


def test_nobody_listening_holds_nothing_up():
    publisher, run = (
        ZmqPublisher(f"tcp://127.0.0.1:{free_port()}", SystemClock()),
        state(),
    )
    for _ in range(50):
        publisher.publish(run.snapshot(0.0, 1))
    publisher.close()


def test_a_window_that_comes_late_still_sees_the_end():
    """The run says its last word before the window is there."""
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    publisher, run = ZmqPublisher(endpoint, SystemClock()), state()
    run.state = "finished"
    publisher.publish(run.snapshot(0.0, 1))
    with zmq.Context() as context, context.socket(zmq.SUB) as window:
        window.setsockopt(zmq.LINGER, 0)
        window.subscribe(b"")
        window.connect(endpoint)

        publisher.close()

        assert window.poll(1000)
        assert decode(window.recv()).state == "finished"


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
