"""Both sides speak one protocol."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation_core import protocol

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_MESSAGES = st.one_of(
    st.builds(protocol.Request, st.integers(), st.text(), st.dictionaries(st.text(), _JSON, max_size=3)),
    st.builds(protocol.Result, st.integers(), st.dictionaries(st.text(), _JSON, max_size=3)),
    st.builds(protocol.Failure, st.integers(), st.text(), st.text()),
    st.builds(protocol.Progress, st.integers(), st.text(), st.just(1.5), st.just(3.0), st.text()),
    st.builds(protocol.Hello, st.integers(), st.text(), st.text(), st.text()),
    st.builds(protocol.Cancel, st.integers()),
    st.builds(protocol.Alive, st.integers()),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(_MESSAGES)
def test_every_message_survives_the_line(message):
    line = protocol.encode(message)
    assert "\n" not in line
    assert protocol.decode(line) == message


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.text() | _JSON.map(json.dumps))
def test_any_other_line_is_no_message(text):
    assert protocol.decode(text) is None


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "ok", "id": 1}',
        '{"type": "ok", "id": "one", "value": {}}',
        '{"type": "ok", "id": 1, "value": {}, "more": 1}',
        '{"type": "dance", "id": 1}',
        '{"type": ["ok"], "id": 1, "value": {}}',
        "[" * 100_000,
    ],
)
def test_what_only_looks_like_a_message_is_skipped(line):
    assert protocol.decode(line) is None


def test_numbers_that_json_cannot_say_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        protocol.encode(protocol.Result(1, {"x": float("nan")}))


def test_the_plugin_carries_the_same_text(unpacked):
    assert (unpacked / "engine" / "protocol.py").read_bytes() == Path(protocol.__file__).read_bytes()


def test_it_needs_the_standard_library_only():
    tree = ast.parse(Path(protocol.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"__future__", "dataclasses", "json", "typing"}
