"""Control requests over a real socket: what is answered, and what is refused."""

import re
import shlex
import threading
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from msgspec.structs import asdict, replace

from specklenn.core.errors import ConfigError, DataError
from specklenn.plugin.commands import swap
from specklenn.plugin.commands.demo import free_port
from specklenn.plugin.control.protocol import (
    LARGEST_MESSAGE_BYTES,
    Answer,
    Request,
    decode,
    encode,
)
from specklenn.plugin.control.server import ControlServer
from specklenn.plugin.control.update_builder import BuiltUpdate
from specklenn.plugin.live.run_state import RunFacts, RunState
from specklenn.plugin.live.swap_coordinator import UpdateResult
from specklenn.plugin.live.versions import Version
from specklenn.plugin.parallel.clock import SystemClock

ROOT = Path(__file__).parents[3]
FIRST = Version(
    model="default",
    weights_sha256="0a",
    rule="mean",
    support_version=3,
    support_hash="abc",
)
SECOND = replace(FIRST, number=2, support_version=4)


def request(action="swap", **changes):
    values = {"id": "7", "action": action, "user": "ann", "host": "node"}
    return Request(**{**values, **changes})


class Builder:
    """Builds the same update whatever is asked for; adopts it when it is in use."""

    def __init__(self):
        self.adopted = []

    def build(self, request, history):
        if request.support == "/bad.yaml":
            raise ConfigError("/bad.yaml: one problem", "/bad.yaml: another")
        if request.support == "/worse.yaml":
            raise KeyError("nobody thought of this")
        return BuiltUpdate(
            version=SECOND, payload=b"bytes", pipeline=None, stack=(), note="a note"
        )

    def adopt(self, built):
        self.adopted.append(built.version)


@pytest.fixture
def endpoint():
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def state():
    facts = RunFacts(
        experiment="amo",
        run=94,
        classes=("single-hit", "no-hit"),
        support_classes=("single-hit",),
    )
    return RunState(
        facts=facts, first=FIRST, workers=[1, 2], examples_per_class=6, now_s=0.0
    )


@pytest.fixture
def server(endpoint, state):
    made = ControlServer(endpoint, Builder(), state, SystemClock())
    yield made
    made.close()


def test_the_state_of_a_run_can_be_asked_for(server, endpoint):
    answer = swap.ask(endpoint, request("status"), 10)

    assert (answer.done, answer.now) == (True, FIRST)
    assert (answer.ranks, answer.workers) == (2, 2)


def in_another_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    return thread, found


def wait_for(get):
    pause = threading.Event()
    for _ in range(500):
        item = get()
        if item is not None:
            return item
        pause.wait(0.02)
    raise AssertionError("nothing came")


def test_a_request_waits_for_the_collector_and_its_result_is_told(
    server, endpoint, state
):
    thread, found = in_another_thread(
        lambda: swap.ask(endpoint, request(support="/good.yaml"), 30)
    )
    update = wait_for(server.next)
    state.versions.append(SECOND)
    for rank in state.ranks.values():
        rank.version = 2
    done = UpdateResult(done=True, ranks=2, finished_s=SystemClock().monotonic())
    update.finish(done)
    thread.join()

    (answer,) = found
    assert update.payload == b"bytes"
    assert (answer.done, answer.before, answer.now) == (True, FIRST, SECOND)
    assert (answer.ranks, answer.words) == (2, "a note")
    assert answer.took_s >= answer.built_s >= 0
    assert server._builder.adopted == [SECOND]


def test_what_the_ranks_refuse_is_not_adopted(server, endpoint):
    thread, found = in_another_thread(
        lambda: swap.ask(endpoint, request(support="/good.yaml"), 30)
    )
    update = wait_for(server.next)
    update.finish(UpdateResult(done=False, reason="rank 2 on node: no memory"))
    thread.join()

    (answer,) = found
    assert (answer.done, answer.now) == (False, FIRST)
    assert answer.words == "rank 2 on node: no memory"
    assert server._builder.adopted == []


@pytest.mark.parametrize(
    ("support", "words"),
    [
        ("/bad.yaml", "/bad.yaml: one problem; /bad.yaml: another"),
        ("/worse.yaml", "KeyError('nobody thought of this')"),
    ],
)
def test_what_cannot_be_built_is_refused_with_the_reason(
    server, endpoint, support, words
):
    answer = swap.ask(endpoint, request(support=support), 10)

    assert (answer.done, answer.words, answer.now) == (False, words, FIRST)
    assert server.next() is None


def test_a_request_that_nobody_takes_is_answered_when_the_run_ends(server, endpoint):
    thread, found = in_another_thread(
        lambda: swap.ask(endpoint, request(support="/good.yaml"), 30)
    )
    wait_for(server.next)
    server.close()
    thread.join()

    assert found[0].words == "the run ended meanwhile"
    assert not found[0].done


def test_an_answer_outlives_the_run_that_gave_it(server, endpoint):
    with zmq.Context() as context, swap.connected(context, endpoint) as socket:
        socket.send(encode(request("status")))
        watch = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED, "inproc://end")
        with watch:
            assert socket.poll(10_000)
            server.close()
            assert watch.poll(10_000)
            socket.disable_monitor()

        assert socket.poll(10_000)
        assert decode(Answer, socket.recv()).now == FIRST


def test_requests_are_accepted_on_ipv6(state):
    endpoint = f"tcp://[::1]:{free_port()}"
    try:
        server = ControlServer(endpoint, Builder(), state, SystemClock())
    except ConfigError:
        pytest.skip("no IPv6 here")
    with zmq.Context() as context, swap.connected(context, endpoint) as socket:
        socket.send(encode(request("status")))
        assert socket.poll(10_000)
        assert decode(Answer, socket.recv()).now == FIRST
    server.close()


def test_an_endpoint_in_use_is_refused_in_one_sentence(server, endpoint, state):
    with pytest.raises(ConfigError, match="does another run accept requests there"):
        ControlServer(endpoint, Builder(), state, SystemClock())


def raw(endpoint, *messages):
    """Send bytes as anybody could; returns the answer to the last of them."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(endpoint)
        for parts in messages:
            socket.send_multipart(parts)
        assert socket.poll(10_000)
        return decode(Answer, socket.recv())


GOOD = asdict(request())


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "not a msgpack message"),
        (b"\xc1random", "not a msgpack message"),
        (msgpack.packb([1, 2]), "not a message of this version"),
        (
            msgpack.packb({**GOOD, "layout": 99}),
            "Invalid enum value 99 - at `$.layout`",
        ),
        (msgpack.packb({**GOOD, "extra": 1}), "unknown field `extra`"),
        (
            msgpack.packb({**GOOD, "action": "delete"}),
            "enum value 'delete' - at `$.action`",
        ),
        (msgpack.packb({**GOOD, "user": "x" * 61}), "length <= 60 - at `$.user`"),
        (
            msgpack.packb({**GOOD, "support": 5}),
            "Expected `str | null`, got `int` - at",
        ),
        (
            msgpack.packb({**GOOD, "support": "x" * 5000}),
            "length <= 4096 - at `$.support`",
        ),
        (msgpack.packb({"id": "1"}), "missing required field `action`"),
    ],
)
def test_foreign_messages_are_answered_with_a_refusal(server, endpoint, message, words):
    answer = raw(endpoint, [message])

    assert not answer.done
    assert words in answer.words


def test_messages_of_several_parts_are_passed_over(server, endpoint):
    good = encode(request("status"))

    assert raw(endpoint, [good, good], [b"", good], [good]).done


def test_messages_that_are_too_large_are_not_unpacked():
    with pytest.raises(DataError, match=f"at most {LARGEST_MESSAGE_BYTES} expected"):
        decode(Request, bytes(LARGEST_MESSAGE_BYTES + 1))


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0, "1"])
def test_an_answer_with_an_impossible_duration_is_refused(seconds):
    answer = msgpack.packb({"done": True, "took_s": seconds})

    with pytest.raises(DataError, match=r"Expected `float`.* at `\$.took_s`"):
        decode(Answer, answer)


def test_the_messages_of_layout_3_stay_as_they_are():
    """Written out, so that a run and a command of other versions can talk."""
    asked = {"layout": 3, "id": "7", "action": "swap", "weights": None}
    asked |= {"rule": None, "support": "/s.yaml", "user": "ann", "host": "node"}
    version = {"number": 1, "model_version": 1, "model": "default"}
    version |= {"weights_sha256": "0a", "support_version": 3, "support_hash": "abc"}
    version |= {"rule": "mean", "time_ns": 0, "asked_by": ""}
    version |= {"fit_version": 0, "fit_rows": 0}
    told = {"layout": 3, "id": "7", "done": True, "words": "a note", "before": None}
    told |= {"now": version, "ranks": 2, "workers": 2, "built_s": 0.5, "took_s": 1.5}
    answer = Answer(
        id="7",
        done=True,
        words="a note",
        now=FIRST,
        ranks=2,
        workers=2,
        built_s=0.5,
        took_s=1.5,
    )

    assert msgpack.unpackb(encode(request(support="/s.yaml"))) == asked
    assert decode(Request, msgpack.packb(asked)) == request(support="/s.yaml")
    assert msgpack.unpackb(encode(answer)) == told
    assert decode(Answer, msgpack.packb(told)) == answer


def test_damaged_requests_are_refused_or_read_and_never_raise_anything_else():
    random = np.random.default_rng(0)
    good = encode(request(support="/a.yaml", weights="default"))
    for _ in range(2000):
        bad = bytearray(good)
        for position in random.integers(len(bad), size=random.integers(1, 6)):
            bad[position] = random.integers(256)
        try:
            decode(Request, bytes(bad[: random.integers(1, len(bad) + 1)]))
        except DataError:
            continue


def test_no_run_that_listens_is_said_with_a_hint(endpoint, monkeypatch):
    monkeypatch.setattr(swap, "CONNECT_S", 0.2)

    with pytest.raises(DataError, match="was it started with --allow-control"):
        swap.ask(endpoint, request("status"), 1)


def test_a_run_that_does_not_answer_is_given_up(server, endpoint):
    asked = request(support="/good.yaml")

    with pytest.raises(DataError, match=r"no answer within 0\.3 s"):
        swap.ask(endpoint, asked, 0.3)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--back", "--status"],
        ["--weights", "default", "--back"],
        ["--support"],
        ["--unknown"],
    ],
)
def test_a_wrong_command_line_is_refused(words):
    with pytest.raises(SystemExit) as ended:
        swap.main(words)

    assert ended.value.code == 2


def test_the_commands_in_the_docs_are_understood():
    text = (ROOT / "docs/swapping.md").read_text()
    lines = re.findall(r"^specklenn swap (.*)$", text, flags=re.MULTILINE)

    asked = [
        swap.request_of(swap.parser().parse_args(shlex.split(line))) for line in lines
    ]
    assert [item.action for item in asked] == ["status", *["swap"] * 4, "back"]
    assert asked[4].rule == "nearest"
    assert asked[3].weights == str(Path("adapted.safetensors").absolute())
    assert asked[3].support == str(Path("better.yaml").absolute())


def test_the_command_says_what_is_in_use(server, endpoint, capsys):
    code = swap.main(["--status", "--endpoint", endpoint])

    assert code == 0
    told = capsys.readouterr().out
    assert "in use on 2 of 2 ranks: model v1 default (0a)" in told
    assert "the run has not begun" in told


def test_the_command_says_why_it_was_refused(server, endpoint, capsys):
    code = swap.main(["--support", "/bad.yaml", "--endpoint", endpoint])

    told = capsys.readouterr().err
    assert code == 1
    assert "refused: /bad.yaml: one problem; /bad.yaml: another" in told
    assert "still in use: model v1 default" in told
