"""``doctor``: can Craquelure run here, with what, and if not, why not."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from segmentation_core import __version__
from segmentation_core.errors import CraquelureError

__all__ = ["doctor"]

_PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "rasterio",
    "pyogrio",
    "pyproj",
    "geopandas",
    "shapely",
    "pillow",
    "matplotlib",
    "safetensors",
    "ezdxf",
    "openpyxl",
    "fpdf2",
)
_OLDEST_PYTHON = (3, 10)
_DISK_BYTES = 2 * 1024**3
_MEMORY_BYTES = 3 * 1024**3


def doctor() -> dict[str, Any]:
    """Check what a run needs.

    Returns
    -------
    dict
        ``ok`` (bool, all that is needed is there) and ``checks``: a list of ``name``, ``ok``, ``found``,
        ``remedy`` (None where nothing is to do).
    """
    checks = [*_software(), *_hardware(), *_models()]
    return {"ok": all(check["ok"] for check in checks), "version": __version__, "checks": checks}


def _check(name: str, found: str, *, ok: bool = True, remedy: str | None = None) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": found, "remedy": remedy}


def _software() -> Iterator[dict[str, Any]]:
    yield _check("craquelure", f"{__version__} on {platform.system()} {platform.machine()}")
    new_enough = sys.version_info[:2] >= _OLDEST_PYTHON
    yield _check(
        "python",
        platform.python_version(),
        ok=new_enough,
        remedy=None if new_enough else "Use Python 3.10 or newer",
    )
    for package in _PACKAGES:
        try:
            yield _check(package, version(package))
        except PackageNotFoundError:
            yield _check(
                package, "not installed", ok=False, remedy=f"Install {package} into this environment"
            )


def _hardware() -> Iterator[dict[str, Any]]:
    import psutil

    from segmentation_core.inference.device import choose_device, describe_devices

    chosen = choose_device("auto")
    for report in describe_devices():
        if report.why_not is not None:
            yield _check(f"device {report.kind}", f"not used: {report.why_not}")
            continue
        speed = ", half-precision arithmetic" if report.has_bfloat16 else ""
        use = " (would be used)" if report.kind == chosen.kind else ""
        yield _check(f"device {report.kind}", f"{report.name}{speed}{use}")
    memory = psutil.virtual_memory()
    yield _room("free memory", memory.available, _MEMORY_BYTES, "Close other programs before a large run")
    disk = shutil.disk_usage(Path.cwd())
    yield _room("free disk here", disk.free, _DISK_BYTES, "Make room, or work on another disk")


def _room(name: str, free_bytes: int, wanted_bytes: int, remedy: str) -> dict[str, Any]:
    enough = free_bytes >= wanted_bytes
    found = f"{free_bytes / 1024**3:.1f} GiB" + (
        "" if enough else f" (less than {wanted_bytes / 1024**3:.0f} GiB)"
    )
    # A small run still works with little room, so this never fails the doctor.
    return _check(name, found, remedy=None if enough else remedy)


def _models() -> Iterator[dict[str, Any]]:
    from segmentation_core.models.store import list_models, load_model

    try:
        names = ", ".join(model.name for model in list_models()) or "none"
        default = load_model(None)
    except CraquelureError as error:
        yield _check(
            "model",
            str(error),
            ok=False,
            remedy="Remove it with 'craquelure model remove NAME' and add it anew",
        )
        return
    yield _check("model", f"{names}; {default.name} is used by default")
