"""Writes frames as a real LCLS-II run: an xtc2 file and its smalldata.

A program, since psana is better not imported into the process of the tests::

    python xtc2.py FRAMES.npy FOLDER --exp spitest --run 1

It prints the name of the xtc2 file. Events come at 120 Hz, see `stamp`. The detector is
an Opal camera, whose frames psana hands out as they are, in any data type and shape and
without constants.
"""

import argparse
import subprocess
import sysconfig
from pathlib import Path

import numpy as np

SECONDS_1990 = 1_000_000_000
"""Of the run's begin, since 1990-01-01."""

PERIOD_NS = 8_333_333
FIRST_EVENT = 10
"""Periods from the run's begin to its first event; transitions happen before."""

ALGORITHM = ("raw", 2, 0, 0)
BUFFER_BYTES = 1 << 20


def binary(name):
    """The path of one of psana's programs."""
    return Path(sysconfig.get_paths()["platlib"], "bin", name)


def stamp(period):
    """What psana calls the time of a period."""
    seconds, nanoseconds = divmod(period * PERIOD_NS, 10**9)
    return (SECONDS_1990 + seconds) << 32 | nanoseconds


class RunWriter:
    """One stream of a run, with one detector of one or several segments."""

    def __init__(self, file, frames, options):
        from psana.dgramedit import AlgDef, DetectorDef, DgramEdit
        from psana.psexp import TransitionId

        self.transitions, self.edit = TransitionId, DgramEdit
        self.file, self.buffer = file, bytearray(BUFFER_BYTES + 2 * frames[0].nbytes)
        self.period = 0
        self.configure = self.datagram(TransitionId.Configure, 0, None)
        fields = {"image": (frames.dtype.type, 2)}
        self.segments = [
            self.configure.Detector(
                DetectorDef(options.detector, "opal", f"serial{segment}"),
                AlgDef(*ALGORITHM),
                fields,
                nodeId=options.stream + 1,
                namesId=segment + 1,
                segment=segment,
            )
            for segment in range(options.segments)
        ]
        self.info = self.configure.Detector(
            DetectorDef("runinfo", "runinfo", ""),
            AlgDef("runinfo", 0, 0, 1),
            {"expt": (str, 1), "runnum": (np.uint32, 0)},
            nodeId=options.stream + 1,
            namesId=100,
            segment=0,
        )
        self.info.runinfo.expt, self.info.runinfo.runnum = options.exp, options.run
        self.save(self.configure)

    def datagram(self, transition, period, configure):
        more = {"config_dgramedit": configure} if configure else {}
        return self.edit(
            transition_id=transition,
            ts=stamp(period),
            bufsize=len(self.buffer),
            **more,
        )

    def save(self, datagram):
        datagram.save(self.buffer)
        self.file.write(self.buffer[: datagram.size])

    def transition(self, name, *data):
        self.period += 1
        number = getattr(self.transitions, name)
        made = self.datagram(number, self.period, self.configure)
        for item in data:
            made.adddata(item)
        self.save(made)

    def event(self, number, parts):
        """Write an event; ``parts`` are the frames of its segments that are there."""
        self.period = FIRST_EVENT + number
        event = self.datagram(self.transitions.L1Accept, self.period, self.configure)
        for segment, part in zip(self.segments, parts, strict=False):
            segment.raw.image = np.ascontiguousarray(part)
            event.adddata(segment.raw)
        self.save(event)


def write(frames, folder, options):
    """Write a run; returns the path of its xtc2 file."""
    (folder / "smalldata").mkdir(parents=True, exist_ok=True)
    name = f"{options.exp}-r{options.run:04d}-s{options.stream:03d}-c000"
    path = folder / f"{name}.xtc2"
    with path.open("wb") as file:
        writer = RunWriter(file, frames, options)
        writer.transition("BeginRun", writer.info.runinfo)
        writer.transition("BeginStep")
        writer.transition("Enable")
        for number, frame in enumerate(frames):
            parts = np.split(frame, options.segments)
            if number in options.incomplete:
                parts = parts[:-1]
            if number in options.small:
                parts = [part[:-1] for part in parts]
            writer.event(number, parts)
        writer.transition("Disable")
        writer.transition("EndStep")
        if not options.endless:
            writer.transition("EndRun")
        for _ in range(options.tail):
            writer.transition("SlowUpdate")
    small = folder / "smalldata" / f"{name}.smd.xtc2"
    subprocess.run(
        [binary("smdwriter"), "-f", path, "-o", small],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return path


def parser():
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("frames", type=Path)
    made.add_argument("folder", type=Path)
    made.add_argument("--exp", default="spitest")
    made.add_argument("--run", type=int, default=1)
    made.add_argument("--stream", type=int, default=0)
    made.add_argument("--detector", default="spicam")
    made.add_argument("--segments", type=int, default=1, help="modules of a frame")
    made.add_argument("--incomplete", type=int, nargs="*", default=[])
    made.add_argument("--small", type=int, nargs="*", default=[])
    made.add_argument("--endless", action="store_true", help="without an EndRun")
    made.add_argument("--tail", type=int, default=0, help="SlowUpdates behind the end")
    return made


if __name__ == "__main__":
    given = parser().parse_args()
    print(write(np.load(given.frames), given.folder, given))
