"""What a configuration says of a run inside OM: OM's own parameters, verbatim."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from specklenn.core.config.endpoints import Endpoint, check_reach, is_ipv6
from specklenn.core.data.sources import ConfigFolder, SourceSettings
from specklenn.core.settings import Settings
from specklenn.plugin.om import host

FRAME = "detector_data"
"""OM's name of a detector frame, in every one of its data retrieval layers."""


class OmGroup(Settings):
    """OM's group ``om``: the layers that it is put together from.

    Parameters
    ----------
    data_retrieval_layer : str
        OM's class that reads the data: PilatusFilesDataRetrieval,
        MfxLclsDataRetrieval and so on.
    parallelization_layer : "MpiParallelization"
        The only one that specklenn runs in.
    processing_layer : "SpecklennProcessing"
        Likewise the only one; both keys stand here because OM's files have them.
    """

    data_retrieval_layer: str = Field(min_length=1)
    parallelization_layer: Literal["MpiParallelization"] = "MpiParallelization"
    processing_layer: Literal["SpecklennProcessing"] = "SpecklennProcessing"


class OmRetrieval(Settings, extra="allow"):
    """OM's group ``data_retrieval_layer``; what it holds depends on the layer.

    Parameters
    ----------
    required_data : list of str
        What OM reads of every event, ``detector_data`` at least.
    """

    required_data: list[str]

    @field_validator("required_data")
    @classmethod
    def _has_frames(cls, value: list[str]) -> list[str]:
        if FRAME not in value:
            raise ValueError(f"a list with {FRAME} in it")
        return value


class OmViewer(Settings):
    """What OM's own frame viewer can see, in OM's protocol: pickled dictionaries.

    Parameters
    ----------
    enabled : bool
    endpoint : str
        Where they are published; this machine only by default.
    allow_remote : bool
        Needed for anything but the loopback interface: whoever reaches the port
        can watch.
    """

    enabled: bool = True
    endpoint: Endpoint = "tcp://127.0.0.1:12321"
    allow_remote: bool = False

    @model_validator(mode="after")
    def _loopback(self) -> OmViewer:
        check_reach(self.endpoint, self.allow_remote)
        if is_ipv6(self.endpoint):
            raise ValueError(
                "an endpoint that is no IPv6 address: OM cannot bind these"
            )
        return self


class OmSettings(SourceSettings):
    """Shots that OM retrieves and hands to its nodes, for ``specklenn om``.

    Parameters
    ----------
    kind : "om"
    om, data_retrieval_layer
        OM's groups of parameters of these names, as in OM's own file. OM takes file
        names in them from where the command was started.
    viewer : OmViewer
    """

    command: ClassVar[str] = "om"

    kind: Literal["om"]
    om: OmGroup
    data_retrieval_layer: OmRetrieval
    viewer: OmViewer = OmViewer()

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        """OM's parameters by their groups."""
        return {
            "om": self.om.model_dump(),
            "data_retrieval_layer": self.data_retrieval_layer.model_dump(),
        }

    def check(self, place: ConfigFolder) -> None:
        """Make sure that OM is installed and has the data retrieval layer.

        Raises
        ------
        ConfigError, MissingPackageError
        """
        host.retrieval_class(self.om.data_retrieval_layer)
