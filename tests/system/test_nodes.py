"""examples/site/mpirun_nodes.sh on two real nodes, which are network namespaces here.

Each has its own interface, address and host name; what goes from one to the other
crosses a virtual cable between them and nothing else.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
import zmq

from specklenn.core.messages import decode

SCRIPT = Path(__file__).parents[2] / "examples/site/mpirun_nodes.sh"
NETWORK = "192.0.2.0/24"  # for documentation: no real network has it
ADDRESSES = ("192.0.2.1", "192.0.2.2")
AGENT = """\
#!/bin/sh
# What ssh is elsewhere: runs a command on the node of an address.
case $1 in
{cases}
esac
shift
exec ip netns exec "$node" unshare --uts sh -c 'hostname "$0"; exec sh -c "$1"' \\
  "$node" "$*"
"""


def ip(*words, check=True):
    words = ["ip", *map(str, words)]
    return subprocess.run(words, check=check, capture_output=True, text=True)


def lay_cable(nodes):
    """Make the nodes and connect them."""
    for node in nodes:
        ip("netns", "add", node)
    peer = ("type", "veth", "peer", "name", "eth0", "netns", nodes[1])
    ip("link", "add", "eth0", "netns", nodes[0], *peer)
    for node, address in zip(nodes, ADDRESSES, strict=True):
        ip("-n", node, "address", "add", f"{address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", node, "link", "set", device, "up")


def clear(node):
    for process in ip("netns", "pids", node, check=False).stdout.split():
        os.kill(int(process), signal.SIGKILL)
    ip("netns", "delete", node, check=False)


@pytest.fixture
def nodes():
    """Names of two nodes that reach each other."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("network namespaces need root, ip and unshare")
    made = [f"node{letter}{os.getpid()}" for letter in "ab"]
    try:
        try:
            lay_cable(made)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces are not permitted: {error.stderr}")
        yield made
    finally:
        for node in made:
            clear(node)


@pytest.fixture
def on_two_nodes(nodes, tmp_path):
    """Start the script on the first node, as somebody who works there would."""
    cases = [f"  {a}) node={n} ;;" for a, n in zip(ADDRESSES, nodes, strict=True)]
    agent, hostfile = tmp_path / "agent.sh", tmp_path / "hosts"
    agent.write_text(AGENT.format(cases="\n".join(cases)))
    agent.chmod(0o755)
    hostfile.write_text("".join(f"{address} slots=2\n" for address in ADDRESSES))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AGENT": str(agent),
        "INTERFACE": NETWORK,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }

    def start(*words):
        call = [SCRIPT, hostfile, *words]
        with (tmp_path / "said").open("w") as said:
            return subprocess.Popen(
                [agent, ADDRESSES[0], " ".join(map(str, call))],
                cwd=tmp_path,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    return start


def last_snapshot(endpoint, process):
    """What a window would have seen last when the run ended."""
    deadline, last = time.monotonic() + 240, None
    with zmq.Context() as context, context.socket(zmq.SUB) as window:
        window.setsockopt(zmq.LINGER, 0)
        window.subscribe(b"")
        window.connect(endpoint)
        while process.poll() is None:
            assert time.monotonic() < deadline, "the run did not end"
            if window.poll(100):
                last = decode(window.recv())
    return last


def received_bytes(node):
    shown = ip("-n", node, "-s", "-j", "link", "show", "eth0").stdout
    return json.loads(shown)[0]["stats64"]["rx"]["bytes"]


@pytest.mark.slow
@pytest.mark.mpi
def test_ranks_on_two_nodes_make_one_run(nodes, on_two_nodes, run_folder, tmp_path):
    endpoint = f"ipc://{tmp_path}/windows"
    process = on_two_nodes(
        run_folder.config,
        *("--set", "output.folder=o", "--set", "publish.enabled=true"),
        *("--set", f"publish.endpoint={endpoint}", "--set", "loop.lease_shots=16"),
    )
    try:
        seen = last_snapshot(endpoint, process)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0, (tmp_path / "said").read_text()
    first, second = nodes
    hosts = {rank.rank: rank.host for rank in seen.ranks}
    assert hosts == {1: first, 2: second, 3: second}
    assert seen.shots == run_folder.shots
    with h5py.File(tmp_path / "o/results.h5") as file:
        rows = file["rows"][()]
    assert sorted(rows["index"]) == list(range(run_folder.shots))
    far = sum(rows["rank"] > 1)
    assert far > 0
    # Their rows crossed the cable, and the leases came back over it.
    assert received_bytes(first) > far * rows.itemsize
    assert received_bytes(second) > 0


@pytest.mark.parametrize("words", [[], ["hosts"], ["missing", "run.yaml"]])
def test_wrong_usage_is_said_and_ends_with_2(tmp_path, words):
    (tmp_path / "hosts").write_text("localhost slots=2\n")
    done = subprocess.run(
        [SCRIPT, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert done.stderr.startswith("usage: mpirun_nodes.sh HOSTFILE CONFIG")
