# SPDX-License-Identifier: MIT
"""Adapters of volumes of numbered cells, on miniature copies of their layouts."""

import csv
import io
import sys

import numpy as np
import pytest
import tifffile
from skimage.measure import label
from skimage.segmentation import find_boundaries

from microtome.datasets import cremi, scan, snemi3d
from microtome.datasets.slices import membranes
from microtome.io import images
from microtome.io.errors import ImageError
from microtome.metrics.boundaries import boundary_scores

SHAPE = (10, 24, 32)
SPECIAL = np.uint64(2**64 - 3)


def cells(shape=SHAPE, seed=0):
    """Numbered cells, Voronoi regions of moving points, (S, H, W)."""
    rng = np.random.default_rng(seed)
    points = rng.random((7, 3)) * shape
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    return 1 + ((grid[..., None, :] - points) ** 2).sum(-1).argmin(-1)


def raw(shape=SHAPE):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def sheet_of(dataset, folder):
    return list(csv.DictReader(io.StringIO(scan.make_sheet(dataset, folder)), delimiter="\t"))


def planes(folder, row, column):
    return images.read(folder / row[column], page=int(row["page"]))


def test_membranes_are_those_of_scikit_image():
    for plane in cells():
        nothing = np.zeros(plane.shape, bool)
        found = membranes(plane, nothing, nothing)
        assert np.array_equal(found == 0, find_boundaries(plane, connectivity=1, mode="thick"))
        holes = plane == 1
        emptied = np.where(holes, 0, plane)
        found = membranes(emptied, holes, nothing)
        assert np.array_equal(found == 0, find_boundaries(emptied, connectivity=1, mode="thick") | holes)


def test_membranes_part_cells_that_touch():
    """Each region of the map is of one cell, and the scores of the challenge are those of the numbers."""
    (plane,) = cells((1, 40, 50), seed=3)
    nothing = np.zeros(plane.shape, bool)
    found = membranes(plane, nothing, nothing)
    regions = label(found == 255, connectivity=2)
    assert all(len(np.unique(plane[regions == number])) == 1 for number in range(1, regions.max() + 1))
    scores = boundary_scores(found == 255, (found == 255).astype(np.float32), [0.5])
    assert scores.v_rand.item() == pytest.approx(1)


def test_where_nothing_is_said_no_membrane_begins():
    plane = np.array([[1, 1, 9, 9, 2, 3, 3]])
    found = membranes(plane, plane == 0, plane == 9)
    assert found.tolist() == [[255, 255, 127, 127, 0, 0, 255]]


@pytest.fixture
def snemi(tmp_path):
    """The challenge's archive, unpacked into a folder of its own."""
    folder = tmp_path / "data"
    (folder / "snemi").mkdir(parents=True)
    numbers = cells()
    numbers[:, 0] = 0
    tifffile.imwrite(folder / "snemi/train-input.tif", raw(), photometric="minisblack")
    tifffile.imwrite(folder / "snemi/train-labels.tif", numbers.astype(np.uint16), photometric="minisblack")
    return folder, numbers


def test_snemi3d_is_pages_of_images_and_of_membranes(snemi):
    folder, numbers = snemi
    rows = sheet_of("snemi3d", folder)
    assert [row["part"] for row in rows] == ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    assert [row["z"] for row in rows] == [row["page"] for row in rows] == [str(n) for n in range(10)]
    assert {(row["volume"], row["mpp"]) for row in rows} == {("snemi3d", "0.006")}
    for row, pixels, plane in zip(rows, raw(), numbers, strict=True):
        assert np.array_equal(planes(folder, row, "image"), pixels)
        found = planes(folder, row, "label")
        expected = find_boundaries(plane, connectivity=1, mode="thick") | (plane == 0)
        assert np.array_equal(found, np.where(expected, 0, 255))


def test_blocks_stay_in_one_part(snemi):
    rows = sheet_of("snemi3d", snemi[0])
    parts = {
        row["block"]: {other["part"] for other in rows if other["block"] == row["block"]} for row in rows
    }
    assert len(parts) == 5
    assert all(len(found) == 1 for found in parts.values())


def test_snemi3d_refuses_other_layouts(snemi, tmp_path):
    folder, _ = snemi
    tifffile.imwrite(folder / "snemi/train-labels.tif", cells((9, 24, 32)).astype(np.uint16))
    with pytest.raises(ValueError, match="10 x 24 x 32 and 9 x 24 x 32"):
        snemi3d.discover(folder)
    (folder / "snemi/train-labels.tif").unlink()
    with pytest.raises(ValueError, match=r"found none, expected one train-labels\.tif"):
        snemi3d.discover(folder)
    tifffile.imwrite(folder / "snemi/train-labels.tif", cells().astype(np.float32))
    with pytest.raises(ImageError, match="float32"):
        scan.make_sheet("snemi3d", folder)


def needs_h5py():
    return pytest.importorskip("h5py", reason="h5py is not installed: CREMI is in HDF5")


def write_volume(path, numbers, *, shape=SHAPE, offset=None, resolution=(40.0, 4.0, 4.0)):
    h5py = needs_h5py()
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["volumes/raw"] = raw(shape)
        file["volumes/raw"].attrs["resolution"] = resolution
        if numbers is not None:
            file["volumes/labels/neuron_ids"] = numbers.astype(np.uint64)
            file["volumes/labels/neuron_ids"].attrs["resolution"] = resolution
            if offset is not None:
                file["volumes/labels/neuron_ids"].attrs["offset"] = offset


def test_cremi_is_written_slice_by_slice(tmp_path):
    numbers = cells().astype(np.uint64)
    numbers[2, :4, :4], numbers[2, 5, 5] = SPECIAL, 0
    write_volume(tmp_path / "sample_A_20160501.hdf", numbers)
    write_volume(tmp_path / "sample_A+_20160601.hdf", None)
    rows = sheet_of("cremi", tmp_path)
    assert {(row["volume"], row["mpp"]) for row in rows} == {("sample_A_20160501", "0.004")}
    assert [row["z"] for row in rows] == [str(number) for number in range(10)]
    for row, pixels, plane in zip(rows, raw(), numbers, strict=True):
        assert np.array_equal(planes(tmp_path, row, "image"), pixels)
        found = planes(tmp_path, row, "label")
        unsaid = (plane == 0) | (plane == SPECIAL)
        lines = find_boundaries(plane, connectivity=1, mode="thick")
        assert np.array_equal(found == 127, unsaid)
        assert not (found == 0)[~lines].any()
        if not unsaid.any():
            assert np.array_equal(found == 0, lines)


def test_labels_of_a_padded_volume_lie_where_their_offset_says(tmp_path):
    numbers = cells((5, 16, 12))
    write_volume(tmp_path / "sample_B_padded.hdf", numbers, offset=(3 * 40.0, 5 * 4.0, 7 * 4.0))
    rows = sheet_of("cremi", tmp_path)
    assert [(row["z"], row["page"], row["part"]) for row in rows] == [
        (str(3 + page), str(page), part)
        for page, part in enumerate(("train", "train", "train", "val", "test"))
    ]
    for row, plane in zip(rows, numbers, strict=True):
        assert np.array_equal(planes(tmp_path, row, "image"), raw()[int(row["z"])])
        found = planes(tmp_path, row, "label")
        lines = find_boundaries(plane, connectivity=1, mode="thick")
        assert np.array_equal(found[5:21, 7:19], np.where(lines, 0, 255))
        assert (np.delete(np.delete(found, np.s_[5:21], 0), np.s_[7:19], 1) == 127).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": (40.0, 4.0, 5.0)}, "square pixels"),
        ({"resolution": (40.0, 4.0)}, "three numbers"),
        ({"offset": (400.0, 0.0, 0.0)}, "labels within the volume"),
    ],
)
def test_volumes_that_are_not_as_published_are_refused(tmp_path, changes, message):
    write_volume(tmp_path / "a.hdf", cells(), **changes)
    with pytest.raises(ImageError, match=message):
        cremi.discover(tmp_path)


def test_a_folder_without_labelled_volumes_is_refused(tmp_path):
    write_volume(tmp_path / "sample_A+.hdf", None)
    with pytest.raises(ValueError, match="found no labelled volume of CREMI"):
        cremi.discover(tmp_path)
    (tmp_path / "broken.hdf").write_bytes(b"not HDF5")
    with pytest.raises(ImageError, match="copy the file again"):
        cremi.discover(tmp_path)


def test_a_volume_of_few_slices_has_no_parts(tmp_path):
    write_volume(tmp_path / "a.hdf", cells((4, 24, 32)), shape=(4, 24, 32))
    with pytest.raises(ValueError, match="found 4 labelled slices, expected at least 5"):
        cremi.discover(tmp_path)


def test_without_h5py_the_command_is_named(tmp_path, monkeypatch):
    (tmp_path / "sample_A_20160501.hdf").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"h5py, which reads HDF5, is not installed; pip install h5py==3"):
        cremi.discover(tmp_path)


@pytest.mark.parametrize("name", ["other/sample_A_20160501.hdf", "sample_A_padded_20160501.hdf"])
def test_one_volume_in_two_files_is_refused(tmp_path, name):
    """Else its slices would be in several parts of a split."""
    write_volume(tmp_path / "sample_A_20160501.hdf", cells())
    write_volume(tmp_path / name, cells())
    with pytest.raises(ValueError, match="expected each volume once; move one of them away"):
        cremi.discover(tmp_path)


def link(file, tmp_path):
    del file[cremi.RAW]
    file[cremi.RAW] = needs_h5py().ExternalLink(str(tmp_path / "other.h5"), cremi.RAW)


def outside(file, tmp_path):
    del file[cremi.RAW]
    (tmp_path / "secret").write_bytes(bytes(7680))
    file.create_dataset(cremi.RAW, SHAPE, np.uint8, external=[(str(tmp_path / "secret"), 0, 7680)])


def virtual(file, tmp_path):
    h5py = needs_h5py()
    layout = h5py.VirtualLayout(SHAPE, np.uint8)
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", cremi.RAW, SHAPE)
    del file[cremi.RAW]
    file.create_virtual_dataset(cremi.RAW, layout)


def huge(file, _):
    del file[cremi.RAW]
    file.create_dataset(cremi.RAW, (10, 2**30, 2**30), np.uint8, chunks=(1, 64, 64))


def thin(file, _):
    del file[cremi.RAW]
    file.create_dataset(cremi.RAW, (10**6, 1, 1), np.uint8)


def group(file, _):
    del file[cremi.RAW]
    file.create_group(cremi.RAW)


def coarser(file, _):
    file[cremi.LABELS].attrs["resolution"] = (40.0, 8.0, 8.0)


def words(file, _):
    file[cremi.RAW].attrs["resolution"] = "coarse"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (link, "volumes/raw in another file"),
        (outside, "volumes/raw in another file"),
        (virtual, "volumes/raw in another file"),
        (huge, r"volumes/raw of 10 x 1073741824 x 1073741824 values in a file of \d+ bytes"),
        (thin, r"expected 100,000 slices of 268,435,456 pixels at most"),
        (group, "volumes/raw of no values"),
        (coarser, "labels of 40 x 8 x 8 nm for an image of 40 x 4 x 4 nm"),
        (words, "cannot be read .* expected CREMI"),
    ],
)
def test_files_that_are_not_what_they_say_are_refused(tmp_path, change, message):
    folder = tmp_path / "data"
    write_volume(folder / "a.hdf", cells())
    write_volume(tmp_path / "other.h5", cells())
    with needs_h5py().File(folder / "a.hdf", "a") as file:
        change(file, tmp_path)
    with pytest.raises(ImageError, match=message):
        cremi.discover(folder)


def test_a_damaged_slice_is_named(tmp_path):
    """Bytes of a compressed chunk that are no deflate any more."""
    write_volume(tmp_path / "a.hdf", cells())
    with needs_h5py().File(tmp_path / "a.hdf", "a") as file:
        del file[cremi.RAW]
        array = file.create_dataset(cremi.RAW, data=raw(), chunks=(1, 24, 32), compression="gzip")
        array.attrs["resolution"] = (40.0, 4.0, 4.0)
        place = array.id.get_chunk_info_by_coord((3, 0, 0)).byte_offset
    with (tmp_path / "a.hdf").open("r+b") as file:
        file.seek(place)
        file.write(bytes(64))
    with pytest.raises(ImageError, match="slice 3 of volumes/raw that cannot be read"):
        scan.make_sheet("cremi", tmp_path)
    assert not list(tmp_path.rglob("*.tif"))
