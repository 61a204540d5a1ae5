"""The smallest detectable change from surveys repeated on one day."""

from __future__ import annotations

import math

import pytest

from segmentation_core.survey.repeats import repeat_limits
from segmentation_core.survey.store import reading


def limits(book):
    with reading(book) as opened:
        return repeat_limits(opened)


def test_without_repeats_there_is_no_limit(enter_beam, book):
    enter_beam(name="one", date="2024-05-01")
    enter_beam(name="two", date="2025-05-01")
    assert limits(book) == {}


def test_two_surveys_of_one_day_tell_it(enter_beam, book, sql):
    enter_beam(name="morning", date="2024-05-01")
    enter_beam(name="noon", date="2024-05-01")
    enter_beam(name="later", date="2025-05-01")
    sql("UPDATE element_stats SET value = 10.0 WHERE surv_id = 'S1' AND stat = 'crack_m'")
    sql("UPDATE element_stats SET value = 11.0 WHERE surv_id = 'S2' AND stat = 'crack_m'")
    sql("UPDATE element_stats SET value = 99.0 WHERE surv_id = 'S3' AND stat = 'crack_m'")
    found = {key: value for key, value in limits(book).items() if key[1] == "crack_m"}
    assert list(found.values()) == [pytest.approx(1.96 * math.sqrt(2) * math.sqrt(0.5))]


def test_stale_figures_do_not_count(enter_beam, book, sql):
    enter_beam(name="morning", date="2024-05-01")
    enter_beam(name="noon", date="2024-05-01")
    sql("UPDATE element_stats SET stale = 1 WHERE surv_id = 'S2'")
    assert limits(book) == {}
