"""The one family of errors that a user can meet.

Every message says what happened, to which file, and what to do about it, on one line. Only the
command line turns these into an exit code; nothing below it prints or exits.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BookError",
    "BookLockedError",
    "CraquelureError",
    "CrsError",
    "DiskFullError",
    "ElementsError",
    "Interrupted",
    "ModelError",
    "ParameterError",
    "RasterError",
    "RegistrationError",
    "VectorError",
]


class CraquelureError(Exception):
    """Base of the family.

    Parameters
    ----------
    what : str
        What happened, without a full stop.
    path : path-like or None
        The file it happened to.
    remedy : str or None
        What the user can do, as an imperative sentence without a full stop.

    Examples
    --------
    >>> str(CraquelureError("no such layer", path="beams.gpkg", remedy="Pick another file"))
    'no such layer: beams.gpkg. Pick another file.'
    """

    def __init__(self, what: str, *, path: str | Path | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.path = None if path is None else str(path)
        self.remedy = remedy
        message = what if path is None else f"{what}: {path}"
        if remedy is not None:
            message = f"{message}. {remedy}."
        super().__init__(" ".join(message.split()))


class ParameterError(CraquelureError, ValueError):
    """A parameter has an impossible value (a date, a threshold, a tile size)."""


class RasterError(CraquelureError, OSError):
    """A raster cannot be opened, is cut short, or has bands we cannot read as a picture."""


class CrsError(CraquelureError, ValueError):
    """A coordinate reference system is missing, geographic, unknown in unit, or differs."""


class ElementsError(CraquelureError, ValueError):
    """The layer of building elements cannot be used."""


class VectorError(CraquelureError, OSError):
    """A vector file cannot be read or written, or lacks what we need."""


class BookError(CraquelureError, OSError):
    """A survey book cannot be opened, or is not one."""


class BookLockedError(BookError):
    """Another program holds the survey book."""


class DiskFullError(CraquelureError, OSError):
    """The disk, or the user's quota, is full."""


class ModelError(CraquelureError, ValueError):
    """A model file or its card cannot be used."""


class RegistrationError(CraquelureError, ValueError):
    """Two orthophotos cannot be laid on each other, or not well enough to compare them."""


class Interrupted(CraquelureError):
    """The user stopped the run; what is finished is kept and the next run continues from it."""
