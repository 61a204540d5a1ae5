import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp

from segmentation_core.errors import CrsError, ParameterError, RasterError
from segmentation_core.raster.checksum import file_sha256
from segmentation_core.raster.grid import Window
from segmentation_core.raster.orthophoto import open_orthophoto

RED, GREEN, BLUE, ALPHA = ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
GRAY, UNDEFINED = ColorInterp.gray, ColorInterp.undefined


def read_all(path, **options):
    with open_orthophoto(path, **options) as photo:
        return (*photo.read(photo.grid.window), photo)


def test_rgb_is_read_as_stored(write_raster, noise):
    stored = noise(3, 20, 30)
    rgb, valid, photo = read_all(write_raster(stored))
    np.testing.assert_array_equal(rgb, stored)
    assert rgb.dtype == np.uint8
    assert valid.dtype == np.bool_
    assert valid.all()
    assert photo.notes == ()
    assert photo.grid.gsd_mm == pytest.approx(1.0)


def test_a_window_is_the_part_of_the_whole(write_raster, noise):
    stored = noise(3, 60, 50)
    with open_orthophoto(write_raster(stored, tiled=True, blockxsize=16, blockysize=16)) as photo:
        rgb, valid = photo.read(Window(7, 11, 33, 21))
    np.testing.assert_array_equal(rgb, stored[:, 7:40, 11:32])
    assert valid.shape == (33, 21)


def test_grey_is_repeated(write_raster, noise):
    stored = noise(1, 9, 8)
    rgb, valid, _ = read_all(write_raster(stored))
    np.testing.assert_array_equal(rgb, np.repeat(stored, 3, axis=0))
    assert valid.all()


def test_grey_with_alpha(write_raster):
    stored = np.array([[[10, 20, 30]], [[0, 127, 128]]], dtype="uint8")
    rgb, valid, _ = read_all(write_raster(stored, interpretation=[GRAY, ALPHA]))
    np.testing.assert_array_equal(rgb[0], stored[0])
    assert valid.tolist() == [[False, False, True]]


def test_rgba_alpha_is_validity(write_raster, noise):
    stored = noise(4, 12, 10)
    rgb, valid, photo = read_all(write_raster(stored, interpretation=[RED, GREEN, BLUE, ALPHA]))
    np.testing.assert_array_equal(rgb, stored[:3])
    np.testing.assert_array_equal(valid, stored[3] >= 128)
    assert photo.notes == ()


def test_a_fourth_band_that_is_not_alpha_is_ignored_and_noted(write_raster, noise):
    stored = noise(4, 12, 10)
    rgb, valid, photo = read_all(write_raster(stored, interpretation=[RED, GREEN, BLUE, UNDEFINED]))
    np.testing.assert_array_equal(rgb, stored[:3])
    assert valid.all()
    assert "band 4" in photo.notes[0]


def test_bands_are_taken_by_their_meaning(write_raster, noise):
    stored = noise(4, 6, 5)
    path = write_raster(stored, interpretation=[ALPHA, BLUE, GREEN, RED])
    rgb, valid, _ = read_all(path)
    np.testing.assert_array_equal(rgb, stored[[3, 2, 1]])
    np.testing.assert_array_equal(valid, stored[0] >= 128)


def test_a_palette_is_expanded_and_its_transparent_entries_are_invalid(write_raster):
    stored = np.array([[[0, 1, 2]]], dtype="uint8")
    colours = {0: (1, 2, 3, 255), 1: (40, 50, 60, 255), 2: (7, 8, 9, 0)}
    path = write_raster(stored, "p.png", driver="PNG", colormap=colours, crs=None, transform=None)
    rgb, valid, _ = read_all(path, gsd_mm=1.0)
    assert rgb[:, 0, 0].tolist() == [1, 2, 3]
    assert rgb[:, 0, 1].tolist() == [40, 50, 60]
    assert valid.tolist() == [[True, True, False]]


def test_nodata_is_invalid_where_every_band_has_it(write_raster):
    stored = np.array([[[0, 0, 5]], [[0, 9, 5]], [[0, 0, 0]]], dtype="uint8")
    _, valid, _ = read_all(write_raster(stored, nodata=0))
    assert valid.tolist() == [[False, True, True]]


def test_an_internal_mask_is_honoured(write_raster, noise):
    mask = np.zeros((10, 10), dtype="uint8")
    mask[2:5, 3:9] = 255
    _, valid, _ = read_all(write_raster(noise(3, 10, 10), mask=mask))
    np.testing.assert_array_equal(valid, mask == 255)


@pytest.mark.parametrize(("largest", "bits"), [(200, 8), (900, 10), (4095, 12), (4096, 14), (20000, 16)])
def test_16_bit_values_are_scaled_by_the_bits_they_use(write_raster, largest, bits):
    stored = np.array([[[0, largest // 2, largest]]] * 3, dtype="uint16")
    rgb, _, photo = read_all(write_raster(stored))
    assert photo.layout.bits == bits
    expected = np.rint(stored.astype(float) * 255 / (2**bits - 1))
    np.testing.assert_array_equal(rgb, expected)
    assert (f"{bits} bit" in " ".join(photo.notes)) == (bits != 8)


def test_16_bit_values_of_invalid_pixels_do_not_count(write_raster):
    stored = np.array([[[65535, 700, 300]]] * 3, dtype="uint16")
    _, valid, photo = read_all(write_raster(stored, nodata=65535))
    assert photo.layout.bits == 10
    assert valid.tolist() == [[False, True, True]]


def test_declared_bits_come_first(write_raster):
    stored = np.array([[[0, 100, 200]]] * 3, dtype="uint16")
    rgb, _, photo = read_all(write_raster(stored, nbits=12))
    assert photo.layout.bits == 12
    assert rgb[0].tolist() == [[0, 6, 12]]


def test_16_bit_alpha_is_valid_from_a_half(write_raster):
    stored = np.array([[[9, 9, 900]]] * 3 + [[[0, 20000, 65535]]], dtype="uint16")
    _, valid, photo = read_all(write_raster(stored, interpretation=[RED, GREEN, BLUE, ALPHA]))
    assert valid.tolist() == [[False, False, True]]
    assert photo.layout.bits == 10


@pytest.mark.parametrize("name", ["p.png", "p.jpg"])
def test_pictures_without_georeference_need_a_gsd(write_raster, noise, name):
    driver = {"p.png": "PNG", "p.jpg": "JPEG"}[name]
    path = write_raster(noise(3, 8, 9), name, driver=driver, crs=None, transform=None)
    with pytest.raises(CrsError, match="--gsd"):
        open_orthophoto(path)
    rgb, valid, photo = read_all(path, gsd_mm=0.5)
    assert rgb.shape == (3, 8, 9)
    assert valid.all()
    assert photo.grid.affine == Affine(1, 0, 0, 0, -1, 0)
    assert photo.grid.gsd_mm == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["o.jpg", "o.png", "o.tif"])
def test_exif_orientation_is_noted_and_not_applied(tmp_path, noise, name):
    stored = noise(3, 20, 30)
    image = Image.fromarray(stored.transpose(1, 2, 0))
    exif = image.getexif()
    exif[274] = 6
    image.save(tmp_path / name, exif=exif)
    _, _, photo = read_all(tmp_path / name, gsd_mm=1.0)
    assert (photo.grid.height, photo.grid.width) == (20, 30)
    assert "EXIF orientation 6" in photo.notes[0]


def test_missing_file_names_it(tmp_path):
    with pytest.raises(RasterError, match=r"no such file: .*nowhere\.tif"):
        open_orthophoto(tmp_path / "nowhere.tif")


def test_not_a_raster(tmp_path):
    path = tmp_path / "notes.tif"
    path.write_text("this is a letter")
    with pytest.raises(RasterError, match="not a raster"):
        open_orthophoto(path)
    with pytest.raises(RasterError, match="not a raster"):
        open_orthophoto(tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "int16", "complex64", "uint32"])
def test_other_data_types_are_refused(write_raster, dtype):
    with pytest.raises(RasterError, match=dtype):
        open_orthophoto(write_raster(np.zeros((3, 4, 4), dtype=dtype)))


@pytest.mark.parametrize("bands", [2, 5, 8])
def test_other_band_counts_are_refused(write_raster, noise, bands):
    with pytest.raises(RasterError, match=f"{bands} bands"):
        open_orthophoto(write_raster(noise(bands, 4, 4)))


def test_cmyk_is_refused(write_raster, noise):
    inks = [ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black]
    with pytest.raises(RasterError, match="CMYK"):
        open_orthophoto(write_raster(noise(4, 8, 8), interpretation=inks))


@pytest.mark.parametrize(
    "profile", [{}, {"compress": "deflate"}, {"tiled": True, "blockxsize": 64, "blockysize": 64}]
)
def test_a_truncated_tiff_names_the_window(write_raster, noise, profile):
    path = write_raster(noise(3, 400, 300), **profile)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with open_orthophoto(path) as photo:
        assert photo.read(Window(0, 0, 20, 20))[1].all()
        with pytest.raises(RasterError, match=r"rows 380-400, columns 200-300 cannot be read: .*photo\.tif"):
            photo.read(Window(380, 200, 20, 100))


def test_a_window_outside_is_refused(write_raster, noise):
    with open_orthophoto(write_raster(noise(3, 10, 10))) as photo:
        for window in (Window(-1, 0, 4, 4), Window(0, 7, 4, 4), Window(3, 3, 0, 2)):
            with pytest.raises(ParameterError, match="not inside"):
                photo.read(window)


def test_working_gsd_averages_down(write_raster):
    stored = np.zeros((3, 4, 6), dtype="uint8")
    stored[:, :2, :2] = [[10, 20], [30, 40]]
    rgb, valid, photo = read_all(write_raster(stored), working_gsd_mm=2.0)
    assert (photo.grid.height, photo.grid.width) == (2, 3)
    assert photo.native_grid.gsd_mm == pytest.approx(1.0)
    assert photo.grid.gsd_mm == pytest.approx(2.0)
    assert rgb[0].tolist() == [[25, 0, 0], [0, 0, 0]]
    assert valid.all()


def test_working_gsd_never_upsamples(write_raster, noise):
    stored = noise(3, 6, 6)
    rgb, _, photo = read_all(write_raster(stored), working_gsd_mm=0.5)
    np.testing.assert_array_equal(rgb, stored)
    assert "native scale" in photo.notes[0]


@pytest.mark.parametrize("working_gsd_mm", [0, -1, float("nan"), float("inf")])
def test_impossible_working_gsd(write_raster, noise, working_gsd_mm):
    with pytest.raises(ParameterError, match="working GSD"):
        open_orthophoto(write_raster(noise(3, 6, 6)), working_gsd_mm=working_gsd_mm)


def test_reads_from_many_threads_agree(write_raster, noise):
    stored = noise(3, 256, 256)
    path = write_raster(stored, tiled=True, blockxsize=32, blockysize=32, compress="deflate")
    windows = [Window(r, c, 40, 40) for r in range(0, 216, 24) for c in range(0, 216, 24)]
    start = threading.Barrier(4)

    def read_some(offset):
        start.wait()
        return [photo.read(window)[0] for window in windows[offset::4]]

    with open_orthophoto(path) as photo, ThreadPoolExecutor(4) as pool:
        for offset, arrays in enumerate(pool.map(read_some, range(4))):
            for window, array in zip(windows[offset::4], arrays, strict=True):
                rows, cols = slice(window.row_off, window.row_end), slice(window.col_off, window.col_end)
                np.testing.assert_array_equal(array, stored[:, rows, cols])


def test_files_names_what_the_pixels_come_from(write_raster, noise):
    path = write_raster(noise(3, 6, 6))
    _, _, photo = read_all(path)
    assert photo.files == (path,)


def test_checksum(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert file_sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(RasterError, match="nowhere"):
        file_sha256(tmp_path / "nowhere")


@pytest.mark.parametrize("damage", ["cut short", "a flipped bit", "no end"])
def test_a_damaged_png_is_refused(tmp_path, damage):
    """GDAL would return garbage for it, and no error."""
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    with open_orthophoto(path, gsd_mm=1) as photo:
        np.testing.assert_array_equal(photo.read(Window(0, 0, 90, 120))[0], noise.transpose(2, 0, 1))
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut short": whole[:middle],
            "a flipped bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "no end": whole[:-12],
        }[damage]
    )
    with pytest.raises(RasterError, match=r"cut short or damaged: .*photo\.png"):
        open_orthophoto(path, gsd_mm=1)
