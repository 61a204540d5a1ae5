"""Progress told in lines, for logs."""

from __future__ import annotations

from segmentation_core.progress import told_in_lines


def test_a_stage_that_begins_anew_is_told_again(capsys):
    """The demo segments two orthophotos: the second one's progress must not be silent."""
    tell = told_in_lines()
    for done in (0, 5, 10):
        tell("segment", done, 10, "Mpx")
    tell("segment", 10, 10, "Mpx")
    for done in (0, 10):
        tell("segment", done, 10, "Mpx")
    lines = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["segment: 0 %", "segment: 100 %", "segment: 0 %", "segment: 100 %"]
