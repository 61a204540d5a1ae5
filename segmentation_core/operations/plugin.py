"""``plugin``: build the zip of the QGIS plugin, and put it into a profile of QGIS."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import string
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from segmentation_core import __version__
from segmentation_core.errors import CraquelureError, ParameterError
from segmentation_core.survey.styles import STYLED, layer_style

__all__ = ["filled_metadata", "plugin_install", "plugin_package"]

FOLDER = "craquelure"
_ROOT = Path(__file__).resolve().parents[2]
_LARGEST_ZIP_BYTES = 25 * 1024**2
_SHIPPED_WEIGHTS = "res_unet_lite"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.egg-info")
_SHEET = "plan_sheet.qpt"
_ZIP_TIME = (2026, 1, 1, 0, 0, 0)
"""One time for every file, so that the same sources give the same zip."""


class PluginError(CraquelureError, OSError):
    """The plugin cannot be built or installed."""


def plugin_package(out: str | Path) -> dict[str, Any]:
    """Build the plugin's zip from a checkout of the repository.

    It holds one folder ``craquelure``: the plugin, the messages it shares with the engine, the styles filled
    from the vocabulary, and the engine as a wheel with the lite weights only.

    Parameters
    ----------
    out : path-like
        Folder for ``craquelure-VERSION.zip``; made if there is none.

    Returns
    -------
    dict
        ``zip`` (path), ``bytes``, ``files`` (number), ``missing`` (what plugins.qgis.org would ask for and
        pyproject.toml does not say; the zip can be installed without).

    Raises
    ------
    PluginError
        This is no checkout, the wheel cannot be built, or the zip is larger than the plugin repository takes.
    """
    if not (_ROOT / "qgis_plugin").is_dir():
        raise PluginError(
            "the plugin's sources are not here",
            path=_ROOT,
            remedy="Run the command in a checkout of the repository",
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{FOLDER}-{__version__}.zip"
    with tempfile.TemporaryDirectory(prefix="craquelure-package-") as work:
        staged = Path(work) / FOLDER
        missing = _lay_out(staged)
        wheels = staged / "wheels"
        wheels.mkdir()
        _build_wheel(Path(work) / "wheel-source", wheels)
        partial = target.with_suffix(".zip.partial")
        count = _zip(staged, partial)
    size = partial.stat().st_size
    if size > _LARGEST_ZIP_BYTES:
        partial.unlink()
        raise PluginError(
            f"the zip has {size / 1024**2:.1f} MB; the plugin repository takes 25",
            path=target,
            remedy="Ship fewer weights",
        )
    os.replace(partial, target)
    return {"zip": str(target), "bytes": size, "files": count, "missing": missing}


def _lay_out(staged: Path) -> list[str]:
    """Copy the plugin and what it takes from the engine's sources; return what its metadata lack."""
    shutil.copytree(_ROOT / "qgis_plugin", staged, ignore=_LEFT_OUT)
    core = _ROOT / "segmentation_core"
    shutil.copyfile(core / "protocol.py", staged / "engine" / "protocol.py")
    shutil.copyfile(core / "sqlite_uri.py", staged / "results" / "sqlite_uri.py")
    shutil.copyfile(core / "vocabulary" / "defect_classes.json", staged / "vocabulary.json")
    shutil.copyfile(_ROOT / "LICENSE", staged / "LICENSE")
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata, missing = filled_metadata((_ROOT / "metadata.txt").read_text(encoding="utf-8"), project)
    (staged / "metadata.txt").write_text(metadata, encoding="utf-8")
    (staged / "export.json").write_text(json.dumps(_export_choices()), encoding="utf-8")
    (staged / "layouts").mkdir()
    shutil.copyfile(core / "export" / "templates" / _SHEET, staged / "layouts" / _SHEET)
    styles = staged / "styles"
    styles.mkdir(exist_ok=True)
    for table in STYLED:
        (styles / f"{table}.qml").write_text(layer_style(table), encoding="utf-8")
    return missing


def filled_metadata(text: str, project: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the plugin's metadata with who made it and where it lives, and what is not known of that.

    Parameters
    ----------
    text : str
        ``metadata.txt`` of the repository.
    project : dict
        ``[project]`` of pyproject.toml: ``authors`` (the first counts) and ``urls``.
    """
    author, urls = project["authors"][0], project.get("urls", {})
    fields = {
        "author": author["name"],
        "email": author.get("email"),
        "homepage": urls.get("Homepage"),
        "tracker": urls.get("Issues"),
        "repository": urls.get("Repository"),
    }
    known = "".join(f"{name}={value}\n" for name, value in fields.items() if value)
    return f"{text.rstrip()}\n{known}", [name for name, value in fields.items() if not value]


def _export_choices() -> dict[str, list[str]]:
    """Return what this version of the engine can export, so that the plugin offers just that."""
    from segmentation_core.operations.export import FORMATS, export

    return {"formats": list(FORMATS), "options": list(inspect.signature(export).parameters)}


def _build_wheel(source: Path, wheels: Path) -> None:
    """Build the engine's wheel from a copy, so that nothing is left in the checkout."""
    for package in ("segmentation_core", "training"):
        shutil.copytree(_ROOT / package, source / package, ignore=_LEFT_OUT)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(_ROOT / name, source / name)
    for weights in (source / "segmentation_core" / "models" / "weights").iterdir():
        if weights.name.partition(".")[0] != _SHIPPED_WEIGHTS:
            weights.unlink()
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--disable-pip-version-check"]
    if _has_setuptools():
        command.append("--no-build-isolation")
    command += ["--wheel-dir", str(wheels), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    built = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if built.returncode:
        last = (built.stderr.strip() or built.stdout.strip() or "no message").splitlines()[-1]
        raise PluginError(
            f"the engine's wheel could not be built ({last})",
            path=source,
            remedy="Install setuptools >= 70.1 into this environment",
        )


def _has_setuptools() -> bool:
    try:
        return int(version("setuptools").partition(".")[0]) > 70  # from there on it builds wheels by itself
    except PackageNotFoundError:
        return False


def _zip(staged: Path, target: Path) -> int:
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(staged.parent).as_posix(), _ZIP_TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if path.suffix == ".whl" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return len(files)


def plugin_install(
    profile: str | Path | None = None,
    *,
    package: str | Path | None = None,
    python: str | Path | None = None,
) -> dict[str, Any]:
    """Put the plugin into a profile of QGIS, enable it, and let it use this environment's engine.

    Parameters
    ----------
    profile : path-like or None
        Folder of the profile; None is QGIS's default profile of this user.
    package : path-like or None
        The zip; None builds one from this checkout.
    python : path-like or None
        Python of the engine; None is the one that runs this.

    Returns
    -------
    dict
        ``plugin`` (folder), ``profile``, ``python``.

    Raises
    ------
    PluginError
        As `plugin_package`; or the zip or the profile cannot be used.
    ParameterError
        The Python is not there.
    """
    profile = _default_profile() if profile is None else Path(profile)
    python = Path(sys.executable if python is None else python)
    if not python.is_file():
        raise ParameterError("there is no such Python", path=python, remedy="Give the engine's own")
    plugins = profile / "python" / "plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    target = plugins / FOLDER
    with _package(package) as archive, tempfile.TemporaryDirectory(dir=plugins, prefix=".new-") as work:
        _unpack(archive, Path(work))
        if target.is_symlink():
            raise PluginError("the plugin's folder is a link", path=target, remedy="Remove the link first")
        if target.exists():
            shutil.rmtree(target)
        os.replace(Path(work) / FOLDER, target)
    settings = profile / "QGIS" / ("QGIS4.ini" if (profile / "QGIS" / "QGIS4.ini").exists() else "QGIS3.ini")
    _write_settings(
        settings,
        {"PythonPlugins": {FOLDER: "true"}, FOLDER: {"engine\\python": _ini_text(str(python.absolute()))}},
    )
    return {"plugin": str(target), "profile": str(profile), "python": str(python.absolute())}


def _default_profile() -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "QGIS"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support" / "QGIS"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "QGIS"
    generation = "QGIS4" if (base / "QGIS4").is_dir() and not (base / "QGIS3").is_dir() else "QGIS3"
    return base / generation / "profiles" / "default"


@contextmanager
def _package(package: str | Path | None) -> Iterator[Path]:
    if package is not None:
        yield Path(package)
        return
    with tempfile.TemporaryDirectory(prefix="craquelure-zip-") as folder:
        yield Path(plugin_package(folder)["zip"])


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            if f"{FOLDER}/metadata.txt" not in names or any(_leads_out(name) for name in names):
                raise PluginError("not the Craquelure plugin", path=archive, remedy="Build it again")
            opened.extractall(folder)
    except (zipfile.BadZipFile, FileNotFoundError) as exc:
        raise PluginError("not a zip file", path=archive, remedy="Build the plugin again") from exc


def _leads_out(name: str) -> bool:
    return not name.startswith(f"{FOLDER}/") or ".." in name.split("/")


def _write_settings(path: Path, wanted: dict[str, dict[str, str]]) -> None:
    """Set keys in QGIS's settings and leave every other line as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for section, entries in wanted.items():
        for key, value in entries.items():
            lines = _with_entry(lines, section, key, value)
    partial = path.with_suffix(".ini.partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _with_entry(lines: list[str], section: str, key: str, value: str) -> list[str]:
    header, entry = f"[{section}]", f"{key}={value}"
    if header not in lines:
        return [*lines, *([""] if lines else []), header, entry]
    begin = lines.index(header) + 1
    end = next((n for n in range(begin, len(lines)) if lines[n].startswith("[")), len(lines))
    for number in range(begin, end):
        if lines[number].partition("=")[0] == key:
            return [*lines[:number], entry, *lines[number + 1 :]]
    return [*lines[:begin], entry, *lines[begin:]]


def _ini_text(text: str) -> str:
    """Return a text as Qt writes it into its ini files."""
    written, after_code = "", False
    for letter in text:
        if letter in '"\\':
            written, after_code = f"{written}\\{letter}", False
        elif not " " <= letter <= "~" or (after_code and letter in string.hexdigits):
            # Qt reads as many hexadecimal digits as follow, so a digit after a code is written as a code too.
            written, after_code = f"{written}\\x{ord(letter):x}", True
        else:
            written, after_code = written + letter, False
    return f'"{written}"'
