"""Pictures from the modules of a detector by its geometry, with EXtra-geom."""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from specklenn.core.data.sources import ConfigFolder
from specklenn.core.errors import ConfigError, DataError, MissingPackageError
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName

CLASSES = {
    "AGIPD-1M": "AGIPD_1MGeometry",
    "AGIPD-500K": "AGIPD_500K2GGeometry",
    "DSSC-1M": "DSSC_1MGeometry",
    "JUNGFRAU": "JUNGFRAUGeometry",
    "LPD-1M": "LPD_1MGeometry",
}
"""Detectors and their classes in EXtra-geom."""

IN_QUADRANTS = ("AGIPD-1M", "DSSC-1M", "LPD-1M")


def import_package(name: str, needed: str) -> Any:
    """Return a package of the European XFEL.

    Parameters
    ----------
    name : str
    needed : str
        What needs it, the beginning of a sentence.

    Raises
    ------
    MissingPackageError
        If it cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingPackageError(
            f"{needed}, which cannot be imported ({error}); "
            'pip install "specklenn[euxfel]"'
        ) from error


class Geometry(Settings):
    """Where the modules of a detector are.

    Parameters
    ----------
    detector : str
        Its kind, which says how many modules it has and of what shape.
    file : path or None
        CrystFEL geometry (``.geom``); for LPD and DSSC also EXtra-geom's own (``.h5``),
        together with `quadrants`.
    quadrants : list of four (x, y), or None
        Positions of the quadrants as EXtra-geom's ``from_quad_positions`` takes them:
        in pixels for AGIPD, in mm for LPD and DSSC.
    """

    detector: Literal["AGIPD-1M", "AGIPD-500K", "DSSC-1M", "JUNGFRAU", "LPD-1M"]
    file: FileName | None = None
    quadrants: list[tuple[float, float]] | None = None

    @model_validator(mode="after")
    def _enough(self) -> Geometry:
        if self.quadrants is not None and len(self.quadrants) != 4:
            raise ValueError("four quadrants")
        if self.quadrants is not None and self.detector not in IN_QUADRANTS:
            raise ValueError(
                f"quadrants for {', '.join(IN_QUADRANTS)} only, else a file"
            )
        own = self.file is not None and self.file.suffix == ".h5"
        if own and (self.quadrants is None or self.detector.startswith("AGIPD")):
            raise ValueError(
                "an .h5 file together with quadrants, for DSSC and LPD only"
            )
        if not own and (self.file is None) == (self.quadrants is None):
            raise ValueError("exactly one of a .geom file and quadrants")
        return self

    def assembled(
        self, place: ConfigFolder, used: list[int] | None = None
    ) -> Assembled:
        """Return what makes pictures of this detector.

        Parameters
        ----------
        used : list of int or None
            Positions of the modules that frames will have; all by default.

        Raises
        ------
        MissingPackageError
            If EXtra-geom is not installed.
        ConfigError
            If its file cannot be read or it has no such modules.
        """
        extra_geom = import_package("extra_geom", "source.geometry needs EXtra-geom")
        kind = getattr(extra_geom, CLASSES[self.detector])
        return Assembled(self._read(kind, place), used, self.detector)

    def _read(self, kind: Any, place: ConfigFolder) -> Any:
        if self.file is None:
            return kind.from_quad_positions(self.quadrants)
        path = place.path(self.file, "geometry")
        try:
            if path.suffix == ".h5":
                return kind.from_h5_file_and_quad_positions(path, self.quadrants)
            return kind.from_crystfel_geom(str(path))
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"source.geometry.file: {path}: {reason}") from error
        except Exception as error:  # the parser's own errors are of many kinds
            raise ConfigError(
                f"source.geometry.file: {path}: no geometry of {self.detector}: "
                f"{error!r}"
            ) from error


class Assembled:
    """Puts the modules of a detector into pictures.

    Parameters
    ----------
    geometry : EXtra-geom's geometry
    used : list of int or None
        Positions of the modules that frames have; all by default.
    name : str
        Name of the detector, for messages.

    Attributes
    ----------
    shape : (H, W)
        Shape of the pictures.
    centre : (row, column)
        Where the geometry's origin, the beam, lies in them, pixels.
    empty : (H, W) bool
        Places without a pixel, or of a module that is not used.

    Raises
    ------
    ConfigError
        If the detector has no such module.
    """

    def __init__(self, geometry: Any, used: list[int] | None, name: str) -> None:
        self._geometry = geometry
        self._whole = tuple(int(size) for size in geometry.expected_data_shape)
        self._used = list(range(self._whole[0])) if used is None else used
        self._name = name
        if self._used[-1] >= self._whole[0]:
            raise ConfigError(
                f"source.only_modules: module {self._used[-1]} found, the geometry of "
                f"{name} has {self._whole[0]} modules"
            )
        blank = np.full(self._whole, np.nan, np.float32)
        blank[self._used] = 0
        picture, centre = geometry.position_modules(blank)
        self.empty: npt.NDArray[np.bool_] = np.isnan(picture)
        self.shape: tuple[int, int] = self.empty.shape
        self.centre = (float(centre[0]), float(centre[1]))

    @property
    def expected(self) -> tuple[int, int, int]:
        """(modules, rows, columns) of a frame."""
        return len(self._used), self._whole[1], self._whole[2]

    def check(self, modules: tuple[int, ...], where: str) -> None:
        """Refuse frames of other modules.

        Parameters
        ----------
        modules : (modules, rows, columns)

        Raises
        ------
        DataError
        """
        if modules != self.expected:
            raise DataError(
                f"{where}: frames of (modules, rows, columns) {modules}, "
                f"source.geometry: {self._name} expects {self.expected}"
            )

    def pictures(self, frames: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return frames as pictures, 0 where there is no pixel.

        Parameters
        ----------
        frames : (P, modules, rows, columns) array

        Returns
        -------
        (P, H, W) array of the same type
        """
        whole = frames
        if len(self._used) < self._whole[0]:
            whole = np.zeros((len(frames), *self._whole), frames.dtype)
            whole[:, self._used] = frames
        pictures = np.zeros((len(frames), *self.shape), frames.dtype)
        self._geometry.position_modules(whole, out=pictures)
        return pictures
