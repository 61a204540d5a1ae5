"""Which device runs the network, and why another cannot."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from segmentation_core.errors import ParameterError

__all__ = ["DEVICE_KINDS", "Device", "DeviceReport", "choose_device", "default_threads", "describe_devices"]

DEVICE_KINDS = ("auto", "cpu", "cuda", "mps")
"""What a user can ask for."""

_BFLOAT16_CAPABILITY = (8, 0)
_TORCH_THREADS = torch.get_num_threads()
"""As torch counted them when it was loaded: a run may change the number later."""


@dataclass(frozen=True)
class Device:
    """A device that was found to work.

    Attributes
    ----------
    kind : str
        "cpu", "cuda" or "mps".
    name : str
        As its maker calls it.
    has_bfloat16 : bool
        It computes in bfloat16, not merely emulates it.
    notes : tuple of str
        What the user should be told, such as why a GPU was passed over.
    """

    kind: str
    name: str
    has_bfloat16: bool
    notes: tuple[str, ...] = ()

    def free_bytes(self) -> int:
        """Return the memory that a network could use now."""
        if self.kind == "cuda":
            return int(torch.cuda.mem_get_info()[0])
        import psutil

        return int(psutil.virtual_memory().available)


@dataclass(frozen=True)
class DeviceReport:
    """What `doctor` shows: ``why_not`` is None for a device that works."""

    kind: str
    name: str | None
    memory_bytes: int | None
    has_bfloat16: bool
    why_not: str | None


def choose_device(asked: str = "auto") -> Device:
    """Return a device that works.

    Parameters
    ----------
    asked : str
        One of `DEVICE_KINDS`; "auto" takes the fastest that works.

    Raises
    ------
    ParameterError
        Unknown device, or the one asked for does not work here; the message says why not.
    """
    if asked not in DEVICE_KINDS:
        raise ParameterError(f"there is no device {asked!r}", remedy=f"Use one of {', '.join(DEVICE_KINDS)}")
    if asked != "auto":
        report = _report(asked)
        if report.why_not is not None:
            raise ParameterError(
                f"--device {asked} cannot be used: {report.why_not}",
                remedy="Use --device auto or --device cpu",
            )
        return _as_device(report)
    broken: tuple[str, ...] = ()
    for kind in ("cuda", "mps"):
        report = _report(kind)
        if report.why_not is None:
            return _as_device(report)
        if report.name is not None:  # there is one, but it does not work: worth telling
            broken = (*broken, f"{report.name} is not used: {report.why_not}")
    return _as_device(_report("cpu"), broken)


def describe_devices() -> tuple[DeviceReport, ...]:
    """Report on every device that the command line knows, working or not."""
    return tuple(_report(kind) for kind in DEVICE_KINDS if kind != "auto")


def default_threads() -> int:
    """Return how many threads torch should compute with: one per processor core that this process may use.

    torch counts the machine's cores, not those that a scheduler or container allows. What a user set in
    OMP_NUM_THREADS stays.
    """
    if "OMP_NUM_THREADS" in os.environ:
        return _TORCH_THREADS
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_TORCH_THREADS, allowed)


def _as_device(report: DeviceReport, notes: tuple[str, ...] = ()) -> Device:
    return Device(report.kind, report.name or report.kind, report.has_bfloat16, notes)


def _report(kind: str) -> DeviceReport:
    match kind:
        case "cpu":
            return DeviceReport("cpu", _cpu_name(), _installed_bytes(), _cpu_has_bfloat16(), None)
        case "cuda":
            return _report_cuda()
        case "mps":
            return _report_mps()
        case _:
            raise ParameterError(f"there is no device {kind!r}")


def _installed_bytes() -> int | None:
    """Return the machine's memory; None without psutil, which training does not need."""
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().total)


def _report_cuda() -> DeviceReport:
    if not torch.backends.cuda.is_built():  # type: ignore[no-untyped-call]
        return DeviceReport("cuda", None, None, False, "this torch was built without CUDA")
    if not torch.cuda.is_available():
        return DeviceReport("cuda", None, None, False, "torch finds no NVIDIA GPU with a working driver")
    name = torch.cuda.get_device_name()
    try:
        _try_convolution("cuda")
    except RuntimeError as exc:  # no kernel image for an old GPU, a driver too old, a GPU in use
        return DeviceReport("cuda", name, None, False, str(exc).splitlines()[0])
    memory = int(torch.cuda.get_device_properties(0).total_memory)
    bfloat16 = torch.cuda.get_device_capability() >= _BFLOAT16_CAPABILITY
    return DeviceReport("cuda", name, memory, bfloat16, None)


def _try_convolution(device: str) -> None:
    """Run one small convolution: where drivers and libraries do not fit, it fails here and not in a long run.

    Raises
    ------
    RuntimeError
        What the device said.
    """
    torch.nn.functional.conv2d(
        torch.ones(1, 3, 8, 8, device=device), torch.ones(4, 3, 3, 3, device=device)
    ).sum().item()


def _report_mps() -> DeviceReport:
    if not torch.backends.mps.is_built():
        return DeviceReport("mps", None, None, False, "this torch was built without Apple's Metal")
    if not torch.backends.mps.is_available():
        return DeviceReport("mps", None, None, False, "this computer has no Apple GPU that Metal can use")
    try:
        _try_convolution("mps")
    except RuntimeError as exc:
        return DeviceReport("mps", "Apple GPU", None, False, str(exc).splitlines()[0])
    return DeviceReport("mps", "Apple GPU", None, False, None)


def _cpu_flags() -> frozenset[str]:
    """Return the instruction sets that Linux reports; nothing elsewhere."""
    info = Path("/proc/cpuinfo")
    if sys.platform != "linux" or not info.exists():
        return frozenset()
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _cpu_has_bfloat16() -> bool:
    flags = _cpu_flags()
    return bool(flags & {"avx512_bf16", "amx_bf16"}) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
