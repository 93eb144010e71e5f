"""What the classifier says about some shots, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.flags import flag_names, skip_reasons
from specklenn.core.rows import by_class, class_names
from specklenn.core.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Classified:
    """What is said about some shots; all arrays have their order.

    Parameters
    ----------
    classes : tuple of str
        Every label there can be, those without supports too: no-hit and unknown.
    support_classes : tuple of str
        The columns of distances and scores.
    codes : (B,) int8
        Place of each label in the classes, -1 where a shot cannot be classified.
    distances : (B, support classes) float32
        Distance to each class by the rule in use, in the paper the mean distance
        to its supports; NaN where a shot never reached the network: no-hits, and those
        that cannot be classified.
    scores : (B, support classes) float32, 0 to 1
        Probabilities of the classes, NaN as the distances.
    photons : (B,) float32
        Photons on the good pixels of the crop.
    lit_pixels : (B,) int32
        Pixels of the crop above the hit finder's threshold.
    flags : (B,) uint16
        See `specklenn.core.flags.Flag`.
    """

    classes: tuple[str, ...]
    support_classes: tuple[str, ...]
    codes: npt.NDArray[np.int8]
    distances: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    photons: npt.NDArray[np.float32]
    lit_pixels: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def labels(self) -> npt.NDArray[np.str_]:
        """Class of each shot by name, (B,) str; empty where it cannot be classified."""
        return class_names(self.codes, self.classes)

    @property
    def reasons(self) -> npt.NDArray[np.str_]:
        """Why a shot cannot be classified, (B,) str; empty where it can."""
        return skip_reasons(self.flags)

    @property
    def table(self) -> Table:
        """All of it by name, a row for each shot; see `specklenn.core.table.Table`."""
        names = self.support_classes
        return Table(
            {
                "label": self.labels,
                "score": self.scores.max(axis=1),
                **by_class("score", names, self.scores),
                **by_class("distance", names, self.distances),
                "photons": self.photons,
                "lit_pixels": self.lit_pixels,
                "flags": flag_names(self.flags),
                "reason": self.reasons,
            }
        )

    def __str__(self) -> str:
        return str(self.table)


def joined(parts: Sequence[Classified]) -> Classified:
    """Return the shots of several parts in a row."""
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {
        name: np.concatenate([vars(part)[name] for part in parts])
        for name, value in vars(parts[0]).items()
        if isinstance(value, np.ndarray)
    }
    return replace(parts[0], **arrays)
