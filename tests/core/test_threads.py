"""Work in threads: in order, few at a time, errors to the caller."""

from __future__ import annotations

import threading

import pytest

from segmentation_core.threads import in_threads


def test_results_come_in_order_whichever_ends_first():
    second_done = threading.Event()

    def work(number):
        if number == 0:
            second_done.wait(10)
        if number == 1:
            second_done.set()
        return number * number

    assert list(in_threads(work, range(5))) == [0, 1, 4, 9, 16]


def test_few_are_begun_before_the_first_is_taken():
    begun = []
    results = in_threads(lambda number: number, (begun.append(n) or n for n in range(1000)))
    assert next(results) == 0
    assert len(begun) < 1000
    results.close()


def test_an_error_reaches_the_caller():
    def work(number):
        if number == 3:
            raise ValueError("three")
        return number

    with pytest.raises(ValueError, match="three"):
        list(in_threads(work, range(8)))
