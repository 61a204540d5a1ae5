import errno
import os

import pytest

from segmentation_core.errors import DiskFullError, RasterError
from segmentation_core.raster.durable import disk_full_as_error, write_durably


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_a_full_disk_by_its_number(tmp_path, number):
    with pytest.raises(DiskFullError, match="full"), disk_full_as_error(tmp_path / "a"):
        raise OSError(number, os.strerror(number))


def test_a_full_disk_by_what_gdal_says(tmp_path):
    class GdalError(Exception):
        pass

    with pytest.raises(DiskFullError), disk_full_as_error(tmp_path / "a", GdalError):
        raise GdalError("TIFFAppendToStrip: No space left on device")


@pytest.mark.parametrize("name", [".", "new", "old"])
def test_other_errors_stay_and_leave_nothing_behind(tmp_path, name):
    (tmp_path / "old").write_bytes(b"kept")
    with pytest.raises(OSError, match="broken") as caught, disk_full_as_error(tmp_path / name):
        raise OSError("broken")
    assert not isinstance(caught.value, DiskFullError)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_bytes() == b"kept"


def test_our_own_errors_pass(tmp_path):
    with pytest.raises(RasterError, match="cut short"), disk_full_as_error(tmp_path):
        raise RasterError("cut short")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a"
    write_durably(path, b"one")
    write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RasterError, match=r"cannot be written .*nowhere"):
        write_durably(tmp_path / "nowhere" / "a", b"one")
