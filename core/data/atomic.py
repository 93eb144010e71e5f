"""Files that are replaced as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from specklenn.core.data.hdf5_file import reason
from specklenn.core.errors import DataError


@contextmanager
def replacing(*targets: Path) -> Iterator[list[Path]]:
    """Give a file beside each target to write to; they take the targets' places.

    Only after all of them are written, so that older files stay if that fails. The
    folder of the targets is made.

    Raises
    ------
    DataError
        If a file cannot be written; names the first target and the reason.
    """
    parts = [target.with_name(f"{target.name}.part") for target in targets]
    try:
        targets[0].parent.mkdir(parents=True, exist_ok=True)
        yield parts
        for part, target in zip(parts, targets, strict=True):
            part.chmod(0o644)  # safetensors leaves its own unreadable for the group
            part.replace(target)
    except DataError:
        raise
    except (OSError, SafetensorError) as error:
        raise DataError(f"{targets[0]}: cannot be written: {reason(error)}") from error
    finally:
        for part in parts:
            with suppress(OSError):
                part.unlink()
