"""Stacks of frames in NumPy files as a source: ``source.kind: npy``."""

from typing import Literal

import numpy as np

from specklenn.core.data.shots import InMemorySource
from specklenn.core.data.sources import ConfigFolder, SourceSettings
from specklenn.core.errors import DataError
from specklenn.core.settings_paths import FileName


class NpySettings(SourceSettings):
    """A file ``path`` with a stack (N, H, W)."""

    kind: Literal["npy"]
    path: FileName

    def open(self, place: ConfigFolder) -> InMemorySource:
        """Open the stack; frames are read from disk when they are asked for."""
        try:
            return InMemorySource(np.load(self.path, mmap_mode="r"))
        except (OSError, ValueError, IndexError) as error:
            raise DataError(f"{self.path}: no stack of frames: {error}") from error
