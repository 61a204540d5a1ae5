"""Damage classes by editable rules."""

from __future__ import annotations

import csv

import pytest
import shapely

from segmentation_core.errors import ParameterError
from segmentation_core.operations.measure import measure
from segmentation_core.statistics.damage import judge, load_damage_rules
from segmentation_core.statistics.uncertainty import Terms

RULES = load_damage_rules("example")


def terms(**u95):
    return {code: Terms(None, value / 1.96, None) for code, value in u95.items()}


@pytest.mark.parametrize(
    ("loss", "density", "code", "because"),
    [
        (0.0, 0.0, "none", ()),
        (0.001, 0.0, "light", ("loss_ratio",)),
        (0.0, 8.0, "moderate", ("p21_mm_per_cm2",)),
        (0.05, 19.9, "moderate", ("loss_ratio", "p21_mm_per_cm2")),
        (0.10, 0.0, "severe", ("loss_ratio",)),
        (0.0, 20.0, "severe", ("p21_mm_per_cm2",)),
    ],
)
def test_the_worst_class_that_is_reached(loss, density, code, because):
    found = judge(RULES, {"loss_ratio": loss, "p21_mm_per_cm2": density}, {})
    assert (found.code, found.because, found.could_be) == (code, because, ())


def test_a_figure_near_a_threshold_leaves_doubt():
    row = {"loss_ratio": 0.019, "p21_mm_per_cm2": 1.0}
    assert judge(RULES, row, terms(loss_ratio=0.0005)).could_be == ()
    assert judge(RULES, row, terms(loss_ratio=0.002)).could_be == ("moderate",)
    both = judge(RULES, row, terms(loss_ratio=0.09, p21_mm_per_cm2=0.9))
    assert (both.code, both.could_be) == ("light", ("severe", "moderate", "none"))


def test_what_is_not_known_is_not_judged():
    assert judge(RULES, {"loss_ratio": None, "p21_mm_per_cm2": 1.0}, {}).code is None


def test_the_example_says_that_it_is_no_standard():
    assert "no standard" in RULES.title


def write(tmp_path, classes, title='title = "mine"'):
    path = tmp_path / "rules.toml"
    path.write_text(f"{title}\n" + "\n".join(f"[[class]]\n{text}" for text in classes), encoding="utf-8")
    return path


NAMES = 'name_en = "n"\nname_zh = "名"\n'
BAD = f'code = "bad"\n{NAMES}at_least = {{ loss_ratio = 0.1 }}'
REST = f'code = "rest"\n{NAMES}'


def test_own_rules_in_json_and_table(tmp_path, beam_vectors, write_layer, beam_crs):
    halves = [shapely.box(0, 0, 5, 4), shapely.box(5, 0, 10, 4)]
    elements = write_layer(tmp_path / "e.gpkg", "e", halves, "Polygon", beam_crs, ID=["A", "B"])
    rules = write(tmp_path, [BAD, REST])
    result = measure(beam_vectors, elements, "ID", tmp_path / "s.csv", damage_rules=rules)
    assert [row["damage_class"] for row in result["elements"]] == ["bad", "rest"]
    assert result["damage"]["title"] == "mine"
    assert result["damage"]["elements"][0]["because"] == ("loss_ratio",)
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["damage_class"] for row in rows] == ["bad", "rest"]
    plain = measure(beam_vectors, elements, "ID", tmp_path / "s.csv")
    assert "damage" not in plain
    assert "damage_class" not in plain["elements"][0]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([REST], "two classes"),
        ([BAD, BAD, REST], "each once"),
        ([REST, BAD], "takes the rest"),
        ([BAD.replace("loss_ratio", "rust_ratio"), REST], "rust_ratio"),
        ([BAD.replace("0.1", "inf"), REST], "no threshold"),
        ([BAD, BAD.replace("bad", "worse").replace("0.1", "0.2"), REST], "worst to the mildest"),
        ([BAD.replace("name_zh", "name_fr"), REST], "lack something"),
        ([BAD.replace("0.1 }", "}"), REST], "not TOML"),
    ],
)
def test_rules_that_are_none(tmp_path, classes, message):
    with pytest.raises(ParameterError, match=message):
        load_damage_rules(write(tmp_path, classes))


def test_rules_that_cannot_be_read(tmp_path):
    with pytest.raises(ParameterError, match="cannot be read"):
        load_damage_rules(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(ParameterError, match="UTF-8"):
        load_damage_rules(tmp_path / "x.toml")
