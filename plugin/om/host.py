"""The only module that touches OM: loads it, and builds what it is asked for.

Written against ondamonitor 23.8.3 of PyPI, the version that the extra ``om`` installs.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import yaml

from specklenn.core.errors import ConfigError, MissingPackageError


class Loop(Protocol):
    """OM's parallelization layer."""

    def start(self) -> None:
        """Run to the end and leave with SystemExit, MPI finalized."""


class Broadcaster(Protocol):
    """OM's socket for its windows."""

    def send_data(self, *, tag: str, message: dict[str, Any]) -> None:
        """Publish a dictionary under a tag."""


class Retrieval(Protocol):
    """OM's data retrieval layer."""

    def get_data_event_handler(self) -> Any:
        """Return what hands the events out."""


def module(name: str) -> Any:
    """Return a module of OM, ``lib.zmq`` say.

    Raises
    ------
    MissingPackageError
        If OM, or what it needs, is not installed.
    """
    if not hasattr(np, "float_"):
        # OM was written for NumPy 1 and uses the old name of this type.
        vars(np)["float_"] = np.float64
    # OM imports psana where there is one, and LCLS-II's makes rank 0 its own server.
    os.environ.setdefault("PS_PARALLEL", "none")
    try:
        return importlib.import_module(f"om.{name}")
    except (
        Exception
    ) as error:  # OM's own exceptions for what it needs are no ImportError
        raise MissingPackageError(
            f'OM cannot be used ({error}); pip install "specklenn[om]"'
        ) from error


def retrieval_class(name: str) -> Any:
    """Return OM's data retrieval layer of this name.

    Raises
    ------
    ConfigError
        If OM has none; says which there are.
    MissingPackageError
        See `module`.
    """
    layer = module("data_retrieval_layer")
    kinds = [kind for kind in vars(layer) if kind.endswith("DataRetrieval")]
    if name not in kinds or name.startswith("Om"):
        offered = ", ".join(kind for kind in kinds if not kind.startswith("Om"))
        raise ConfigError(
            f"source.om.data_retrieval_layer: {name!r} found, expected one of those "
            f"that OM can load here: {offered}"
        )
    return getattr(layer, name)


def parameters(
    groups: Mapping[str, Mapping[str, Any]], config: Path, source: str, size: int
) -> Any:
    """Return OM's parameters.

    Parameters
    ----------
    config : Path
        Where OM believes that it has them from.
    source : str
        OM's SOURCE.
    size : int
        Number of ranks.
    """
    with tempfile.TemporaryDirectory(prefix="specklenn-om-") as folder:
        path = Path(folder, "monitor.yaml")
        path.write_text(yaml.safe_dump({name: dict(groups[name]) for name in groups}))
        made = module("lib.parameters").MonitorParameters(config=str(path))
    made.get_parameter_group(group="om")["configuration_file"] = str(config.absolute())
    made.add_source_and_node_pool_size_information(source=source, node_pool_size=size)
    return made


def retrieval(name: str, made: Any, source: str) -> Retrieval:
    """Return OM's data retrieval layer, ready to hand events out."""
    layer: Retrieval = retrieval_class(name)(monitor_parameters=made, source=source)
    return layer


def loop(processing: object, data: Retrieval, made: Any) -> Loop:
    """Return OM's loop over MPI around a processing layer.

    Raises
    ------
    ConfigError
        If OM refuses its parameters, ``required_data`` above all.
    """
    layer = module("parallelization_layer.mpi").MpiParallelization
    try:
        built: Loop = layer(
            data_retrieval_layer=data,
            processing_layer=processing,
            monitor_parameters=made,
        )
    except Exception as error:
        raise ConfigError(f"source: OM refuses its parameters: {error}") from error
    return built


def broadcaster(endpoint: str) -> Broadcaster:
    """Return OM's socket for its windows.

    Raises
    ------
    ConfigError
        If the endpoint cannot be bound; says why.
    """
    try:
        made: Broadcaster = module("lib.zmq").ZmqDataBroadcaster(
            parameters={"data_broadcast_url": endpoint}
        )
    except MissingPackageError:
        raise
    except Exception as error:
        reason = error.__cause__ or error
        raise ConfigError(
            f"source.viewer.endpoint: {endpoint} cannot be used: {reason}; is another "
            "monitor publishing there?"
        ) from error
    return made
