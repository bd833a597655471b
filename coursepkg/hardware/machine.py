"""What machine is this: processor, caches, vector instructions, memory, accelerators, versions."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

_CPU_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_VECTOR_FLAGS = (
    "sse2",
    "avx",
    "fma",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_tile",
    "amx_int8",
    "amx_bf16",
    "asimd",
    "neon",
    "sve",
)
_LIBRARIES = ("numpy", "keras", "tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Accelerator:
    """A graphics processor, as its driver describes it.

    Attributes
    ----------
    name : str
    memory : float
        Bytes.
    power : float or None
        The limit that the driver holds, in watts; None if it does not say.
    """

    name: str
    memory: float
    power: float | None


@dataclass(frozen=True)
class Machine:
    """What a program can find out about the machine it runs on.

    Attributes
    ----------
    processor, system, date : str
        Name of the processor; operating system and architecture; day of the description.
    cores, threads, usable : int
        Cores, hardware threads, and threads that this program may use.
    caches : dict
        From "L1", "L2", "L3" to the bytes of one such data cache; what is unknown is missing.
    vector : tuple of str
        Vector instructions that matter here, of those that the processor names.
    memory : int
        Bytes.
    accelerators : tuple of Accelerator
        As the NVIDIA driver lists them; empty without one.
    devices : tuple of str
        As Keras's backend lists them.
    backend : str
    versions : dict
        Of Python and of the numerical libraries that are installed.
    """

    processor: str
    system: str
    date: str
    cores: int
    threads: int
    usable: int
    caches: dict[str, int]
    vector: tuple[str, ...]
    memory: int
    accelerators: tuple[Accelerator, ...]
    devices: tuple[str, ...]
    backend: str
    versions: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the description as plain dictionaries and lists."""
        return json.loads(json.dumps(asdict(self)))


@lru_cache(maxsize=1)
def this_machine() -> Machine:
    """Describe the machine that the program runs on.

    Returns
    -------
    Machine

    Raises
    ------
    ImportError
        If psutil or py-cpuinfo is not installed.
    """
    psutil, cpuinfo = required("psutil"), required("cpuinfo")
    import keras

    from coursepkg.hardware.backend import devices

    info = cpuinfo.get_cpu_info()
    threads = psutil.cpu_count() or 1
    return Machine(
        processor=info.get("brand_raw") or platform.processor() or "unknown",
        system=f"{platform.system()} {platform.machine()}",
        date=date.today().isoformat(),
        cores=psutil.cpu_count(logical=False) or threads,
        threads=threads,
        usable=usable_threads(),
        caches=caches(),
        vector=tuple(flag for flag in _VECTOR_FLAGS if flag in info.get("flags", ())),
        memory=psutil.virtual_memory().total,
        accelerators=accelerators(),
        devices=devices(),
        backend=keras.backend.backend(),
        versions=_versions(),
    )


def required(name: str) -> ModuleType:
    """Import a library that only this room needs.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"coursepkg.hardware needs {name}, which is not installed; "
            'run: pip install "coursepkg[chapters]"'
        ) from error


def usable_threads() -> int:
    """Count the hardware threads that this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def caches(folder: Path = _CPU_FOLDER) -> dict[str, int]:
    """Return the sizes of the data caches that the first core sees, in bytes.

    Linux lists them in files; elsewhere the result is empty. py-cpuinfo is not asked: it adds up
    the caches of several cores, and on some virtual machines it names the wrong one.

    Parameters
    ----------
    folder : Path
        Where the operating system lists them.

    Returns
    -------
    dict
        From "L1", "L2", "L3" to bytes.
    """
    sizes = {}
    for index in sorted(folder.glob("index*")):
        with contextlib.suppress(OSError, ValueError):
            kind, level, size = (
                (index / name).read_text().strip() for name in ("type", "level", "size")
            )
            if kind != "Instruction":
                units = {"K": 2**10, "M": 2**20, "G": 2**30}
                sizes[f"L{level}"] = int(size[:-1]) * units[size[-1]]
    return sizes


def accelerators() -> tuple[Accelerator, ...]:
    """List the NVIDIA graphics processors, by the driver's own program ``nvidia-smi``.

    Returns
    -------
    tuple of Accelerator
        Empty without a driver.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,memory.total,power.limit", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
    if answer.returncode:
        return ()
    found = []
    for line in answer.stdout.splitlines():
        name, memory, power = (part.strip() for part in line.rsplit(",", 2))
        watts = float(power) if power.replace(".", "", 1).isdigit() else None
        found.append(Accelerator(name, float(memory) * 2**20, watts))
    return tuple(found)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def recorded_machines(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return the results that ``benchmarks/machine.py`` recorded on other machines.

    Parameters
    ----------
    folder : Path, optional
        Where they are; None: the package's own.

    Returns
    -------
    dict
        From the name of each file to what it holds; empty if nothing is recorded.
    """
    place = files("coursepkg.recorded") / "machines" if folder is None else folder
    if not place.is_dir():
        return {}
    found = sorted((p for p in place.iterdir() if p.name.endswith(".json")), key=lambda p: p.name)
    return {p.name.removesuffix(".json"): json.loads(p.read_text(encoding="utf-8")) for p in found}
