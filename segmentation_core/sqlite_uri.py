"""Addresses of SQLite files, on a disk of this computer or on a network share. Standard library only.

Packaging copies this module into the QGIS plugin, which reads survey books too.
"""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import quote

__all__ = ["sqlite_uri"]


def sqlite_uri(path: PurePath, mode: str = "ro") -> str:
    r"""Return the address under which `sqlite3.connect` opens a file with ``uri=True``.

    `pathlib.Path.as_uri` puts the server of a network share where SQLite wants nothing, and SQLite refuses
    that ("invalid uri authority").

    Parameters
    ----------
    path : PurePath
        An absolute path.
    mode : str
        ``ro``, ``rw`` or ``rwc``.

    Examples
    --------
    >>> from pathlib import PurePosixPath, PureWindowsPath
    >>> sqlite_uri(PurePosixPath("/srv/a b.gpkg"))
    'file:///srv/a%20b.gpkg?mode=ro'
    >>> sqlite_uri(PureWindowsPath(r"C:\survey\b.gpkg"), "rw")
    'file:///C:/survey/b.gpkg?mode=rw'
    >>> sqlite_uri(PureWindowsPath(r"\\server\share\b.gpkg"))
    'file:////server/share/b.gpkg?mode=ro'
    """
    text = path.as_posix()
    slash = "" if text.startswith("/") else "/"
    return f"file://{slash}{quote(text, safe='/:')}?mode={mode}"
