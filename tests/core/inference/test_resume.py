"""``segment`` interrupted, killed, out of disk: the next run continues with the same bits."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from segmentation_core.errors import Interrupted
from segmentation_core.inference.settings import SegmentSettings
from segmentation_core.operations.segment import segment

SMALL = SegmentSettings(tile_px=128, batch=2, use_bfloat16=False)


class StopAfter:
    """Raises from the given call on, as a person who presses Cancel or Ctrl-C."""

    def __init__(self, calls, error):
        self.left = calls
        self.error = error

    def __call__(self, *_):
        self.left -= 1
        if self.left < 0:
            raise self.error


@pytest.fixture(scope="module")
def whole(photo, checkpoint, tmp_path_factory):
    """Return the result of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole")
    return segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)


def assert_same_bits(result, expected):
    assert result.probability.read_bytes() == expected.probability.read_bytes()
    assert result.classes.read_bytes() == expected.classes.read_bytes()


@pytest.mark.parametrize("error", [Interrupted("stopped"), KeyboardInterrupt()], ids=["cancel", "ctrl-c"])
def test_an_interrupted_run_is_continued(photo, whole, checkpoint, tmp_path, error):
    out = tmp_path / "out"
    with pytest.raises(type(error)):
        segment(photo, out, model=checkpoint, device="cpu", settings=SMALL, progress=StopAfter(4, error))
    assert not [t for t in threading.enumerate() if t.name.startswith(("reader", "writer"))]
    assert [p.name for p in out.iterdir()] == [".segment"]
    calls = []
    result = segment(
        photo, out, model=checkpoint, device="cpu", settings=SMALL, progress=lambda *call: calls.append(call)
    )
    assert calls[0][1] > 0
    assert "continued an unfinished run" in result.run["notes"]
    assert "continued an unfinished run" not in whole.run["notes"]
    assert_same_bits(result, whole)


def test_interrupted_while_writing_the_result(photo, whole, checkpoint, tmp_path):
    def stop(stage, *_):
        if stage == "write":
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        segment(photo, tmp_path, model=checkpoint, device="cpu", settings=SMALL, progress=stop)
    assert_same_bits(segment(photo, tmp_path, model=checkpoint, device="cpu", settings=SMALL), whole)


IN_A_PROCESS = """
import sys
from segmentation_core.inference.settings import SegmentSettings
from segmentation_core.operations.segment import segment
from segmentation_core.errors import CraquelureError

photo, out, model, limit = sys.argv[1:]
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

def tell_and_wait(stage, done, total, unit=""):
    print(stage, done, flush=True)
    sys.stdin.readline()

settings = SegmentSettings(tile_px=128, batch=2, use_bfloat16=False)
try:
    segment(photo, out, model=model, device="cpu", settings=settings, progress=tell_and_wait)
except CraquelureError as exc:
    print(type(exc).__name__, exc)
"""


def command(photo, out, model, limit=0):
    return [sys.executable, "-c", IN_A_PROCESS, str(photo), str(out), str(model), str(limit)]


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_run_is_continued_with_the_threads_it_began_with(photo, checkpoint, tmp_path):
    out = tmp_path / "out"
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command(photo, out, checkpoint),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=one_thread,
    ) as process:
        # It waits after every line. With three of four rows told, the first is on disk: the writer keeps
        # no more than one waiting.
        while float(process.stdout.readline().split()[1]) < 0.7 * 400 * 120 / 1e6:
            process.stdin.write("\n")
            process.stdin.flush()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (out / ".segment" / "000000-000000.probability.tif").exists()
    assert not (out / "probability.tif").exists()
    result = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    assert "continued an unfinished run" in result.run["notes"]
    assert result.run["parameters"]["threads"] == 1
    alone = replace(SMALL, threads=1)
    assert_same_bits(result, segment(photo, tmp_path / "w", model=checkpoint, device="cpu", settings=alone))


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on file sizes")
@pytest.mark.parametrize("share", [0.1, 0.6], ids=["on a piece", "on the result"])
def test_a_full_disk_is_an_error_and_the_work_is_kept(photo, whole, checkpoint, tmp_path, share):
    out = tmp_path / "out"
    limit = int(whole.probability.stat().st_size * share)
    run = subprocess.run(
        command(photo, out, checkpoint, limit),
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert run.stdout.splitlines()[-1].startswith("DiskFullError the disk or the quota is full")
    assert (out / ".segment" / "state.json").exists()
    assert [p.name for p in out.iterdir()] == [".segment"]
    assert_same_bits(segment(photo, out, model=checkpoint, device="cpu", settings=SMALL), whole)


def test_another_run_begins_anew_and_says_so(write_photo, photo, whole, checkpoint, tmp_path):
    other = write_photo(400, 120, array=np.full((3, 400, 120), 90, dtype=np.uint8))
    out = tmp_path / "out"
    stop = StopAfter(6, Interrupted("stopped"))
    with pytest.raises(Interrupted):
        segment(other, out, model=checkpoint, device="cpu", settings=SMALL, progress=stop)
    result = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    assert "discarded" in " ".join(result.run["notes"])
    assert_same_bits(result, whole)


def test_a_torn_piece_is_computed_again(photo, whole, checkpoint, tmp_path):
    stop = StopAfter(4, Interrupted("stopped"))
    with pytest.raises(Interrupted):
        segment(photo, tmp_path, model=checkpoint, device="cpu", settings=SMALL, progress=stop)
    piece = tmp_path / ".segment" / "000000-000000.classes.tif"
    piece.write_bytes(piece.read_bytes()[:50])
    assert_same_bits(segment(photo, tmp_path, model=checkpoint, device="cpu", settings=SMALL), whole)


def test_a_finished_folder_is_replaced_only_at_the_end(write_photo, photo, checkpoint, tmp_path):
    out = tmp_path / "out"
    before = segment(photo, out, model=checkpoint, device="cpu", settings=SMALL)
    kept = {p.name: p.read_bytes() for p in out.iterdir()}
    other = write_photo(200, 120, array=np.full((3, 200, 120), 90, dtype=np.uint8))
    stop = StopAfter(3, Interrupted("stopped"))
    with pytest.raises(Interrupted):
        segment(other, out, model=checkpoint, device="cpu", settings=SMALL, progress=stop)
    assert {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == kept
    after = segment(other, out, model=checkpoint, device="cpu", settings=SMALL)
    assert after.run["inputs"] != before.run["inputs"]
    assert after.probability.read_bytes() != kept["probability.tif"]
    assert not (out / ".segment").exists()
