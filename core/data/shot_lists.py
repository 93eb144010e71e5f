"""Lists of shots as CrystFEL writes them: a file a line, or ``file //event``.

An event is the number of a shot in its file. A line without one stands for all shots
of the file. Empty lines and those that begin with # are passed over.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from specklenn.core.errors import DataError
from specklenn.core.settings_paths import located

SUFFIX = ".lst"

LINE = re.compile(r"^(?P<file>\S.*?)(?:\s+(?P<event>\S*//\S*))?$")
NUMBER = re.compile(r"^//(\d+)$")


WILD = re.compile(r"[*?[]")


def expanded(paths: Sequence[Path], *, may_lack: bool = False) -> list[Path]:
    """Return the files that names with wildcards stand for, in the order of numbers.

    Parameters
    ----------
    paths : sequence of Path
        Those without wildcards, or of a file that is there, stand for themselves.
    may_lack : bool
        Whether there may be no file of such a name, yet.

    Raises
    ------
    DataError
        If there is none.
    """
    found: list[Path] = []
    for path in paths:
        if not WILD.search(str(path)) or path.exists():
            found.append(path)
            continue
        names = sorted(glob.glob(str(path)), key=_by_number)
        if not (names or may_lack):
            raise DataError(f"{path}: no file has such a name")
        found.extend(Path(name) for name in names if Path(name) not in found)
    return found


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return what names are sorted by, so that run_9 comes before run_10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


@dataclass(frozen=True, kw_only=True)
class ListedShots:
    """Shots of one file that follow each other in a run.

    Parameters
    ----------
    file : Path
    events : tuple of int or None
        Numbers of the shots in the file; None for all of them.
    """

    file: Path
    events: tuple[int, ...] | None = None


def read_list(path: Path) -> list[ListedShots]:
    """Read a list; its file names start from its folder, else from the current one.

    Raises
    ------
    DataError
        If it cannot be read, is empty, or has an event that is no number of a shot or
        is listed twice; says which line.
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError(f"{path}: no file found, one a line expected")
    seen: dict[tuple[Path, int | None], int] = {}
    for number, file, event in lines:
        before = seen.setdefault((file, event), number)
        if before != number:
            raise DataError(f"{path}:{number}: the same as line {before}")
    grouped = groupby(lines, key=lambda line: (line[1], line[2] is None))
    return [
        ListedShots(
            file=file,
            events=None if whole else tuple(e for *_, e in group if e is not None),
        )
        for (file, whole), group in grouped
    ]


def _lines(path: Path) -> Iterator[tuple[int, Path, int | None]]:
    """Give number, file and event of each line."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise DataError(f"{path}: {(why or str(error)).lower()}") from error
    for number, line in enumerate(text.splitlines(), 1):
        found = LINE.match(line.strip())
        if found is None or line.lstrip().startswith("#"):
            continue
        event = found["event"]
        if event is not None and not NUMBER.match(event):
            raise DataError(
                f"{path}:{number}: event {event} found, //NUMBER of a shot expected"
            )
        file = located(found["file"], [path.parent, Path()])
        yield number, file, None if event is None else int(event[2:])
