"""The configuration of a run: one frozen tree, read from one YAML file.

Defaults live here; a file holds only what differs. Relative file names in a
YAML file start from its folder; names given on the command line, and the output
folder, start from where the command was started.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator, model_validator

from specklenn.core.config.endpoints import (
    LOOPBACK,
    Endpoint,
    Interface,
    check_reach,
    is_loopback,
)
from specklenn.core.data import labelled_dataset
from specklenn.core.data.detector_area import Area
from specklenn.core.data.masks import MaskBits
from specklenn.core.data.sources import SourceSettings
from specklenn.core.distances import Classification
from specklenn.core.errors import ConfigError
from specklenn.core.hitfinder import HitFinding
from specklenn.core.labels import SINGLE_HIT
from specklenn.core.preprocess import Preprocessing
from specklenn.core.settings import Settings
from specklenn.core.settings_paths import FileName, WeightsName
from specklenn.core.support import ClassName, SupportFile, SupportShots

_WORD = r"^[^\x00-\x1f]*$"

_FOLDER = re.compile(
    r"([^{}\x00-\x1f]|\{\{|\}\}|\{(experiment|run)(:[^{}\x00-\x1f]{0,4})?\})+"
)
"""Braces are doubled, or have a name and, in few letters, how wide it is."""


class RunName(Settings):
    """What is being measured; shown in the window and written into the results.

    Parameters
    ----------
    experiment : str
        Name of the experiment.
    number : int
        Run number.
    """

    experiment: str = Field(default="specklenn", max_length=64, pattern=_WORD)
    number: int = Field(default=0, ge=0, lt=2**32)


class Calibration(Settings):
    """From what the detector gives to photons, and which pixels to leave out.

    Parameters
    ----------
    adu_per_photon : float
        1 where the data are photons already.
    offset_adu : float
        Subtracted first.
    mask_file : path or None
        HDF5 file with a mask, 0 = good; added to the mask in the data.
    mask_dataset : str
        Dataset of the mask in that file.
    mask_bits : "cxi", "any" or int
        Bits of that mask that make a pixel bad: CXI's, any, or these.
    """

    adu_per_photon: float = Field(default=1.0, gt=0)
    offset_adu: float = 0.0
    mask_file: FileName | None = None
    mask_dataset: str = labelled_dataset.MASK
    mask_bits: MaskBits = "cxi"

    @property
    def changes_nothing(self) -> bool:
        """Whether the data are taken for photons."""
        return self.adu_per_photon == 1.0 and self.offset_adu == 0.0


class PreprocessOverrides(Settings):
    """Overrides of the model's crop, bin and centre; empty values are the model's.

    Parameters
    ----------
    crop, bin : int or None
        Side of the square and pixels summed per side; crop / bin must stay the
        network's input size.
    centre : (row, column) or None
        Beam position, pixels; the middle of the frame by default.
    fill_friedel_mates : bool or None
        Whether bad pixels get the photons of their Friedel mate.
    """

    crop: int | None = Field(default=None, ge=8, le=4096)
    bin: int | None = Field(default=None, ge=1, le=64)
    centre: tuple[float, float] | None = None
    fill_friedel_mates: bool | None = None

    former_keys: ClassVar[Mapping[str, str]] = {"fill_mates": "fill_friedel_mates"}

    def applied_to(self, own: Preprocessing) -> Preprocessing:
        """Return a model's preprocessing with these values on top."""
        given = {k: v for k, v in self.model_dump().items() if v is not None}
        try:
            return Preprocessing.model_validate({**own.model_dump(), **given})
        except ValueError as error:
            raise ConfigError(f"preprocess: {error}") from error


class Network(Settings):
    """The embedding network.

    Parameters
    ----------
    weights : str
        A packaged model by name, or a ``.safetensors`` file.
    threads : int
        CPU threads per worker; one is best where ranks fill the cores.
    device : str
        Where it runs: cpu, cuda, cuda:1.
    """

    weights: WeightsName = "default"
    threads: int = Field(default=1, ge=1, le=256)
    device: Annotated[str, StringConstraints(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"


class Support(Settings):
    """The support set: one of ``file`` and ``shots``.

    Parameters
    ----------
    file : path or None
        Support set as YAML or a saved support file.
    shots : dict of class name to list, or None
        The support set, written here.
    version : int
        Version of the shots written here.
    """

    file: FileName | None = None
    shots: dict[ClassName, list[SupportShots]] | None = None
    version: int = Field(default=1, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _one(self) -> Support:
        if (self.file is None) == (self.shots is None):
            raise ValueError("exactly one of file and shots")
        if self.shots is not None and not self.shots:
            raise ValueError("at least one class in shots")
        return self

    @property
    def inline(self) -> SupportFile:
        """The support set that is written here."""
        return SupportFile(version=self.version, classes=self.shots or {})


class Loop(Settings):
    """How shots are dealt out and gathered.

    Parameters
    ----------
    batch_shots : int
        Most shots classified at once.
    lease_shots : int
        Most shots of a file that a worker takes at once; fewer near the end.
    live_wait_ms : float
        Longest wait for a live shot before a worker handles messages.
    """

    batch_shots: int = Field(default=64, ge=1, le=65536)
    lease_shots: int = Field(default=256, ge=1)
    live_wait_ms: float = Field(default=5.0, gt=0, le=1000)


class Output(Settings):
    """What is written.

    Parameters
    ----------
    folder : str
        Gets results.h5, hits.cxi, run.log and config.yaml; created if missing.
        ``{experiment}`` and ``{run}`` are replaced.
    save_classes : list of str
        Shots of these classes are written to hits.cxi.
    emc : bool
        Make hits.emc when the run ends: the single hits, as Dragonfly reads them.
    overwrite : bool
        Replace the results of an earlier run in this folder.
    """

    folder: str = "output/{experiment}-r{run:04d}"
    save_classes: list[ClassName] = Field(default_factory=lambda: [SINGLE_HIT])
    emc: bool = False
    overwrite: bool = False

    @field_validator("folder")
    @classmethod
    def _fillable(cls, value: str) -> str:
        expected = "a folder name in which only {experiment} and {run} are replaced"
        if not _FOLDER.fullmatch(value):
            raise ValueError(expected)
        try:
            value.format(experiment="experiment", run=1)
        except ValueError as error:
            raise ValueError(expected) from error
        return value

    @model_validator(mode="after")
    def _hits_for_emc(self) -> Output:
        if self.emc and SINGLE_HIT not in self.save_classes:
            raise ValueError(f"{SINGLE_HIT} in save_classes, or emc: false")
        return self


class Publish(Settings):
    """What windows can see.

    Parameters
    ----------
    enabled : bool
    endpoint : str
        Where snapshots are published; this machine only by default.
    allow_remote : bool
        Needed to publish on anything but the loopback interface without keys:
        whoever reaches the port can watch.
    keys : path or None
        Keys of the run, made by ``specklenn keys``: what is published is encrypted,
        and only who has the other keys can watch.
    rate_Hz : float
        Snapshots a second.
    examples_per_class : int
        Newest examples of each class in every snapshot.
    """

    enabled: bool = True
    endpoint: Endpoint = "tcp://127.0.0.1:5556"
    allow_remote: bool = False
    keys: FileName | None = None
    rate_Hz: float = Field(default=10.0, gt=0, le=50)
    examples_per_class: int = Field(default=6, ge=0, le=64)

    @model_validator(mode="after")
    def _loopback(self) -> Publish:
        check_reach(self.endpoint, self.allow_remote, self.keys is not None)
        return self


class Control(Settings):
    """Whether a running job accepts requests for another model or supports.

    Parameters
    ----------
    enabled : bool
    endpoint : str
        Where requests are accepted; this machine only by default. A file (``ipc://``)
        can be kept from the other users of a machine.
    allow_remote : bool
        Needed for anything but the loopback interface without keys: whoever reaches
        the port can change the model.
    keys : path or None
        Keys of the run, made by ``specklenn keys``: only who has the other keys is
        answered.
    """

    enabled: bool = False
    endpoint: Endpoint = "tcp://127.0.0.1:5557"
    allow_remote: bool = False
    keys: FileName | None = None

    @model_validator(mode="after")
    def _loopback(self) -> Control:
        check_reach(self.endpoint, self.allow_remote, self.keys is not None)
        return self


class Metrics(Settings):
    """Numbers of a run for Prometheus, over HTTP.

    Parameters
    ----------
    enabled : bool
    host : str
        Interface that answers; this machine only by default.
    port : int
        Port of that interface.
    allow_remote : bool
        Needed for anything but the loopback interface: whoever reaches the port can
        read the numbers.
    last_scrape_s : float
        How long a run that has finished waits for one more scrape, so that the last
        numbers are not lost. Only if it was scraped before.
    """

    enabled: bool = False
    host: Interface = "127.0.0.1"
    port: int = Field(default=9464, ge=1, le=65535)
    allow_remote: bool = False
    last_scrape_s: float = Field(default=20.0, ge=0, le=120)

    @model_validator(mode="after")
    def _loopback(self) -> Metrics:
        if not self.allow_remote and not is_loopback(self.host):
            loopback = ", ".join(name.strip("[]") for name in LOOPBACK)
            raise ValueError(f"a host of {loopback}, or allow_remote: true")
        return self


class Config(Settings):
    """Everything that a run needs to know; ``source`` is of the kind it names."""

    run: RunName = RunName()
    source: SourceSettings
    calibration: Calibration = Calibration()
    area: Area = Area()
    preprocess: PreprocessOverrides = PreprocessOverrides()
    hit_finder: HitFinding = HitFinding()
    model: Network = Network()
    support: Support
    classify: Classification = Classification()
    loop: Loop = Loop()
    output: Output = Output()
    publish: Publish = Publish()
    control: Control = Control()
    metrics: Metrics = Metrics()

    @model_validator(mode="after")
    def _different_sockets(self) -> Config:
        enabled = self.publish.enabled and self.control.enabled
        if enabled and self.publish.endpoint == self.control.endpoint:
            raise ValueError(
                f"control.endpoint other than publish.endpoint, {self.publish.endpoint}"
            )
        return self

    @property
    def output_folder(self) -> Path:
        """Where results go."""
        return Path(
            self.output.folder.format(
                experiment=self.run.experiment, run=self.run.number
            )
        )
