"""The zip: what plugins.qgis.org checks, what QGIS needs, and that it can be installed."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from segmentation_core.errors import ParameterError
from segmentation_core.operations.plugin import (
    PluginError,
    _ini_text,
    filled_metadata,
    plugin_install,
    plugin_package,
)

REQUIRED = (
    "name", "description", "version", "qgisMinimumVersion", "author", "email", "about", "tracker",
    "repository",
)  # fmt: skip
ALLOWED = {"qgis", "osgeo", "numpy"}
UNSCOPED = re.compile(
    r"\bQt\.\w+\b(?!\.)"
    r"|\bQgis\.(Info|Warning|Critical|Success)\b|QgsTask\.CanCancel|QMessageBox\.(Yes|No|Ok|Cancel)\b"
    r"|\bQgsProcessing\.Type\w+|\bQgsWkbTypes\.(Polygon|Line|Point)\w*\b|\.exec_\("
)


@pytest.fixture(scope="module")
def metadata(unpacked):
    parser = configparser.ConfigParser()
    parser.read(unpacked / "metadata.txt", encoding="utf-8")
    return parser["general"]


def modules(unpacked: Path) -> list[Path]:
    return sorted(unpacked.rglob("*.py"))


def test_the_zip_keeps_the_rules_of_the_repository(package):
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
    assert package.stat().st_size < 25e6
    assert {name.split("/")[0] for name in names} == {"craquelure"}
    assert "craquelure/LICENSE" in names
    forbidden = (".pyc", ".so", ".dll", ".exe", ".sh", ".bat", ".ps1", ".qm", ".pyd")
    assert not [
        n for n in names if n.endswith(forbidden) or "__pycache__" in n or "/." in n or "__MACOSX" in n
    ]


def test_addresses_come_from_one_place_and_none_is_made_up(metadata, unpacked):
    """Those of the project are not known yet: the zip then has none, and packaging says so."""
    text = (unpacked / "metadata.txt").read_text(encoding="utf-8")
    known = {"authors": [{"name": "N. N.", "email": "n@n.org"}]}
    known["urls"] = {name: f"https://n.org/{name}" for name in ("Homepage", "Issues", "Repository")}
    bare = "\n".join(line for line in text.splitlines() if not line.startswith(("author=", "email=")))
    filled, missing = filled_metadata(bare, known)
    parser = configparser.ConfigParser()
    parser.read_string(filled)
    assert not [name for name in REQUIRED if not parser["general"].get(name, "").strip()]
    assert missing == []
    absent = [name for name in REQUIRED if not metadata.get(name, "").strip()]
    assert set(absent) <= {"email", "tracker", "repository"}
    assert "example." not in text


def test_the_metadata_keep_the_rules_of_the_validator(metadata):
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert "plugin" not in metadata["name"].lower()
    assert metadata["qgisMaximumVersion"] == "4.99"
    assert metadata["hasProcessingProvider"] == "yes"
    assert "supportsQt6" not in metadata
    assert "dependency" in metadata["about"]
    assert metadata["category"] == "Raster"


def test_plugin_and_engine_have_one_version(metadata, unpacked):
    from segmentation_core import __version__

    assert metadata["version"] == __version__
    assert [p.name.split("-")[1] for p in (unpacked / "wheels").iterdir()] == [__version__]


def test_the_wheel_holds_the_engine_with_its_lite_weights_and_the_change_network_only(unpacked):
    (wheel,) = (unpacked / "wheels").glob("craquelure-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    weights = {Path(name).name.split(".")[0] for name in names if name.endswith(".safetensors")}
    assert weights == {"res_unet_lite", "change_network"}
    assert {"segmentation_core/worker.py", "training/__init__.py"} <= set(names)


def test_the_plugin_imports_nothing_but_what_qgis_has(unpacked):
    found = set()
    for path in modules(unpacked):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.split(".")[0])
                assert not node.module.startswith(("PyQt", "craquelure")), path
    assert not found - ALLOWED - set(sys.stdlib_module_names)


def test_qgis_is_left_as_it_was(unpacked):
    """The plugin changes neither the search path nor the environment of QGIS."""
    for path in modules(unpacked):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"sys\.path\.(append|insert)|os\.environ\[[^\]]*\]\s*=|os\.putenv|environ\.update", text
        ), path


def test_enums_are_spelled_in_full(unpacked):
    for path in modules(unpacked):
        assert not UNSCOPED.search(path.read_text(encoding="utf-8")), path


def test_bandit_finds_nothing_that_is_not_explained(unpacked):
    report = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-r", "-f", "json", str(unpacked)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = json.loads(report.stdout)
    # B404 (import subprocess) is off on plugins.qgis.org
    assert [r for r in found["results"] if r["test_id"] != "B404"] == []
    for path in modules(unpacked):
        for number, line in enumerate(lines := path.read_text(encoding="utf-8").splitlines()):
            if "# nosec" in line:
                assert "#" in "".join(lines[max(number - 3, 0) : number]), (
                    f"{path}:{number + 1} gives no reason"
                )


def test_detect_secrets_finds_nothing(unpacked):
    report = subprocess.run(
        [sys.executable, "-m", "detect_secrets", "scan", "--all-files", "."],
        check=True, capture_output=True, text=True, timeout=120, cwd=unpacked,
    )  # fmt: skip
    assert json.loads(report.stdout)["results"] == {}


def literals(unpacked: Path) -> dict[str, Path]:
    """Every text given to tr(), and the texts of tables that reach it."""
    found = {}
    for path in modules(unpacked):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                argument = node.args[0]
                if isinstance(argument, ast.Constant):
                    found[argument.value] = path
    return found


def test_the_plugin_is_python_3_9(unpacked):
    """QGIS 3.22 brings it on Windows; what is newer there fails when it is reached, not before."""
    for path in modules(unpacked):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
        newer = [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Match)
            or (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "zip" and node.keywords)
            or (isinstance(node, ast.keyword) and node.arg in ("kw_only", "slots"))
        ]
        assert newer == []


def test_every_text_has_a_chinese_translation(unpacked):
    catalogue = json.loads((unpacked / "i18n" / "zh.json").read_text(encoding="utf-8"))
    texts = literals(unpacked)
    assert len(texts) > 100
    assert sorted(set(texts) - set(catalogue)) == []
    for text in texts:
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", catalogue[text])), text


def test_help_is_there_in_both_languages(unpacked):
    from segmentation_core.worker import VERBS

    algorithms = {p.stem for p in (unpacked / "algorithms").glob("*.py")} - {
        "__init__",
        "base",
        "inputs",
        "parameters",
    }
    assert algorithms <= set(VERBS)
    for name in algorithms:
        for suffix in ("", "_zh"):
            assert len((unpacked / "help" / f"{name}{suffix}.html").read_text(encoding="utf-8")) > 200


def test_formats_are_those_of_the_engine(unpacked):
    from segmentation_core.operations.export import FORMATS

    offered = json.loads((unpacked / "export.json").read_text(encoding="utf-8"))
    assert offered["formats"] == list(FORMATS)
    assert {"book", "format", "out", "survey"} <= set(offered["options"])


def test_install_adds_to_a_profile_and_keeps_its_settings(package, tmp_path):
    settings = tmp_path / "profile" / "QGIS" / "QGIS3.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[PythonPlugins]\nother=true\n\n[qgis]\nx=1\n", encoding="utf-8")
    told = plugin_install(tmp_path / "profile", package=package)
    assert (Path(told["plugin"]) / "metadata.txt").is_file()
    text = settings.read_text(encoding="utf-8")
    assert "other=true" in text
    assert "x=1" in text
    assert "craquelure=true" in text
    plugin_install(tmp_path / "profile", package=package)
    assert settings.read_text(encoding="utf-8").count("craquelure=true") == 1


@pytest.mark.parametrize("content", [None, b"not a zip"])
def test_install_refuses_what_is_no_plugin(tmp_path, content):
    bad = tmp_path / "bad.zip"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(PluginError, match="zip"):
        plugin_install(tmp_path / "profile", package=bad)
    assert not (tmp_path / "profile" / "python" / "plugins" / "craquelure").exists()


def test_install_refuses_a_zip_that_leads_out_of_its_folder(tmp_path):
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("craquelure/metadata.txt", "")
        archive.writestr("craquelure/../../evil.py", "")
    with pytest.raises(PluginError, match="not the Craquelure plugin"):
        plugin_install(tmp_path / "profile", package=bad)
    assert not list(tmp_path.rglob("evil.py"))


def test_install_refuses_a_python_that_is_not_there(package, tmp_path):
    with pytest.raises(ParameterError, match="no such Python"):
        plugin_install(tmp_path / "profile", package=package, python=tmp_path / "gone")


def test_paths_are_written_as_qt_writes_them():
    assert _ini_text("/home/a b/py") == '"/home/a b/py"'
    assert _ini_text('C:\\x"y') == '"C:\\\\x\\"y"'
    assert _ini_text("/梁1/x") == '"/\\x6881\\x31/x"'


def test_the_same_sources_give_the_same_zip(package, tmp_path):
    with zipfile.ZipFile(package) as first, zipfile.ZipFile(plugin_package(tmp_path)["zip"]) as second:
        for name in first.namelist():
            if not name.endswith(".whl"):
                assert first.read(name) == second.read(name), name
