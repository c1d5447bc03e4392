# SPDX-License-Identifier: MIT
"""Images of strangers become the workflow's own."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from microtome.io import images
from microtome.stages.images import import_images
from microtome.stages.targets import rasterize_targets
from microtome.workflow.states import data


def rows(*names):
    return [{"sample": f"s{k}", "image": name, "page": None, "mpp": None} for k, name in enumerate(names)]


@pytest.mark.parametrize(
    ("dtype", "stored"), [("float16", "float32"), ("float64", "float64"), ("int64", "int32")]
)
def test_types_that_are_not_written_are_converted(dtype, stored, tmp_path):
    array = np.arange(12).reshape(3, 4).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    import_images(rows("a.tif"), tmp_path, tmp_path / "out")
    found = images.read(tmp_path / "out/s0.tif")
    assert found.dtype.name == stored
    np.testing.assert_array_equal(found, array)


def test_every_faulty_image_is_named_with_its_sample(tmp_path):
    holed = np.ones((8, 8), np.float32)
    holed[5, 6] = np.nan
    tifffile.imwrite(tmp_path / "holed.tif", holed)
    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    with pytest.raises(images.ImageError) as error:
        import_images(rows("good.png", "holed.tif", "cut.png"), tmp_path, tmp_path / "out")
    first, second = str(error.value).splitlines()
    assert first.startswith(
        f"sample s1: {tmp_path}/holed.tif: found 1 values that are no finite numbers, the"
    )
    assert "first in row 5, column 6" in first
    assert second.startswith(f"sample s2: {tmp_path}/cut.png: damaged or truncated image")
    assert not (tmp_path / "out").exists()


def test_a_study_s_type_is_given_where_that_is_exact(tmp_path):
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(tmp_path / "deep.tif", levels.astype(np.uint16) * 257)
    tifffile.imwrite(tmp_path / "unit.tif", (levels / 255).astype(np.float32))
    tifffile.imwrite(tmp_path / "camera.tif", levels.astype(np.uint16) * 16)
    import_images(rows("deep.tif", "unit.tif"), tmp_path, tmp_path / "out", dtype="uint8")
    for name in ("s0", "s1"):
        np.testing.assert_array_equal(images.read(tmp_path / f"out/{name}.tif"), levels)
    with pytest.raises(
        images.ImageError, match=r"sample s0: .*camera\.tif: found uint16 values from 0 to 1008"
    ):
        import_images(rows("camera.tif"), tmp_path, tmp_path / "out", dtype="uint8")


@pytest.mark.parametrize(
    ("said", "mpp_from", "expected"),
    [(None, None, 0.5), (0.25, None, 0.25), (0.25, "sheet", 0.25), (0.25, "file", 0.5), (None, "sheet", 0.5)],
)
def test_the_pixel_size_is_the_sheets_or_else_the_files_own(tmp_path, said, mpp_from, expected):
    images.write(tmp_path / "a.tif", np.zeros((32, 32), np.uint8), mpp=0.5)
    tifffile.imwrite(
        tmp_path / "b.tif", np.zeros((32, 32), np.uint8), resolution=(300, 300), resolutionunit=2
    )
    rows = [{"sample": name, "image": f"{name}.tif", "page": None, "mpp": said} for name in "ab"]
    import_images(rows, tmp_path, tmp_path / "out", mpp_from=mpp_from)
    found = [images.header(tmp_path / f"out/{name}.tif").mpp for name in "ab"]
    assert found == [expected, said], "the printer's resolution of b is nobody's pixel size"
    targets = {"kind": "semantic", "classes": [("x", 0), ("y", 1)], "ignore": []}
    labels = [row | {"label": row["image"]} for row in rows]
    rasterize_targets(labels, tmp_path, tmp_path / "labels", targets=targets, mpp_from=mpp_from)
    assert [images.header(tmp_path / f"labels/{name}.tif").mpp for name in "ab"] == found


def test_a_turned_picture_is_said(tmp_path, caplog):
    exif, array = Image.Exif(), np.arange(32, dtype=np.uint8).reshape(4, 8)
    exif[274] = 3
    Image.fromarray(array[::-1, ::-1]).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(array).save(tmp_path / "b.png")
    tifffile.imwrite(tmp_path / "c.tif", array[::-1], extratags=[(274, 3, 1, 4, True)])
    import_images(rows("a.png", "b.png", "c.tif"), tmp_path, tmp_path / "out")
    said = [record.getMessage() for record in caplog.records if "turned" in record.getMessage()]
    assert [text.split(":")[0] for text in said] == ["s0", "s2"]
    for name in ("s0", "s1", "s2"):
        np.testing.assert_array_equal(images.read(tmp_path / f"out/{name}.tif"), array)


def test_the_type_of_a_study_is_in_the_state_of_its_import():
    states = set()
    for dtype in (None, "uint8", "uint16"):
        study = plan_of(dtype)
        states.add(data.import_images.__wrapped__(study, "test-0"))
    assert len(states) == 3
    assert '"dtype"' not in min(states, key=len)


def plan_of(dtype):
    """As much of a plan as the state of an import looks at."""
    study = SimpleNamespace(data=SimpleNamespace(dtype=dtype, mpp_from=None, downsample=1), named_splits={})
    return SimpleNamespace(study=study, root=Path("data"), rows=lambda batch: rows("a.png"), classes=["a"])
