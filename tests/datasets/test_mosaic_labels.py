# SPDX-License-Identifier: MIT
"""A study whose labels come from several programs: what `snakemake -n` says of them, and what they become."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tifffile
import yaml
from PIL import Image
from pytest import fixture, mark

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.stages.images import import_images
from microtome.stages.targets import rasterize_targets
from microtome.study import headers
from microtome.study.load import load_plans
from microtome.workflow.asked import pair_labels
from microtome.workflow.memory import held_bytes
from microtome.workflow.states import data as states
from tests.io.volumes import mat, of_seg3d, write_nrrd
from tests.stages.objects import options
from tests.workflow.workspace import own_study

HEIGHT, WIDTH, FACTOR = 83, 101, 4
RNG = np.random.default_rng(0)
LABEL = np.kron(RNG.integers(0, 3, (9, 11), np.uint8), np.ones((10, 10), np.uint8))[:HEIGHT, :WIDTH]
LABEL[:20] = 7
CLASSES = {"non-lesion": 0, "nest": 1, "ring": 2}
PARTS = ("train", "val", "test")


def label_files(folder: Path) -> list[str]:
    """The label in every format, as several programs write it."""
    Image.fromarray(LABEL).save(folder / "png.png")
    tifffile.imwrite(folder / "tiff.tif", LABEL, tile=(32, 32), compression="zlib")
    write_nrrd(folder / "nrrd.nrrd", LABEL)
    write_nrrd(folder / "packed.nrrd", LABEL.astype(np.uint16), order=">", packed=True)
    write_nrrd(folder / "detached.nhdr", LABEL.astype(np.int32), order=">")
    (folder / "matrix.mat").write_bytes(mat({"label": LABEL.astype(float)}, packed=True))
    (folder / "seg3d.mat").write_bytes(mat(of_seg3d(LABEL.astype(np.int8))))
    return ["png.png", "tiff.tif", "nrrd.nrrd", "packed.nrrd", "detached.nhdr", "matrix.mat", "seg3d.mat"]


@fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A project with as many images as there are labels."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(headers, "_known", {})
    (tmp_path / "config/studies").mkdir(parents=True)
    (tmp_path / "data/own").mkdir(parents=True)
    return tmp_path


def load(folder: Path, labels: list[str], image: str = "{stem}-image.tif", **data):
    """The plan of a study with these labels, each of an image of its own, or all faults."""
    rows, here = ["sample\timage\tlabel\tblock\tpart"], folder / "data/own"
    for number, name in enumerate(labels):
        stem = Path(name).stem
        tifffile.imwrite(here / f"{stem}-image.tif", RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8))
        rows.append(f"{stem}\t{image.format(stem=stem)}\t{name}\tb{number}\t{PARTS[number % 3]}")
    (here / "samples.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    study = own_study()
    study["data"] |= {"classes": CLASSES, "ignore": [7], "mpp": 0.5} | data
    (folder / "config/studies/own.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    try:
        return load_plans(Workflow(studies=("own",)))["own"]
    except ConfigurationError as error:
        return [
            str(fault).replace("data/own/samples.tsv", "").replace("data/own/", "") for fault in error.faults
        ]


@mark.parametrize("factor", [1, FACTOR])
def test_labels_of_every_format_become_the_same_targets(factor, folder):
    plan = load(folder, label_files(folder / "data/own"), downsample=factor)
    expected = np.where(LABEL == 7, 255, LABEL)
    if factor > 1:
        rows, columns = (np.arange(length // factor) * factor + factor // 2 for length in LABEL.shape)
        expected = expected[np.ix_(rows, columns)]
    for batch in plan.batches:
        chosen = options(states.rasterize_targets.__wrapped__(plan, batch))
        root, targets = Path(chosen["root"]), folder / "targets" / batch
        rasterize_targets(chosen["samples"], root, targets, targets=chosen["targets"])
        chosen = options(states.import_images.__wrapped__(plan, batch))
        import_images(
            chosen["samples"], root, folder / "images" / batch, downsample=chosen.get("downsample", 1)
        )
        for sample in plan.batches[batch]:
            np.testing.assert_array_equal(images.read(targets / f"{sample}.tif"), expected)
            found = images.header(folder / f"images/{batch}/{sample}.tif")
            assert (found.height, found.width, found.mpp) == (*expected.shape, 0.5 * factor)
    whole = held_bytes.__wrapped__(plan, "main", "dice")
    assert whole == sum(2 * expected.size for part in ("train", "val") for _ in plan.learnt("main", part))


def test_the_values_beside_a_header_are_an_input_of_its_job(folder):
    plan = load(folder, label_files(folder / "data/own"))
    (batch,) = (name for name, members in plan.batches.items() if "detached" in members)
    assert {"data/own/detached.nhdr", "data/own/detached.raw"} <= set(plan.files(batch, "label"))


def test_what_is_wrong_with_labels_is_said_together_in_one_line_each(folder):
    here, good = folder / "data/own", label_files(folder / "data/own")
    write_nrrd(here / "huge.nrrd", LABEL, dimension="2", sizes="1000000 1000000")
    write_nrrd(here / "huge-packed.nrrd", LABEL, dimension="2", sizes="1000000 1000000", encoding="gzip")
    write_nrrd(here / "out.nhdr", LABEL, data_file="../../outside.raw")
    write_nrrd(here / "planes.nrrd", LABEL, axes="{w} {h} 12")
    write_nrrd(here / "other.nrrd", LABEL[:-1])
    (here / "stack.mat").write_bytes(mat({"label": np.ones((4, 5, 6))}))
    (here / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    (here / "two.mat").write_bytes(mat({"a": LABEL, "b": LABEL}))
    names = [
        "huge.nrrd",
        "huge-packed.nrrd",
        "out.nhdr",
        "planes.nrrd",
        "other.nrrd",
        "stack.mat",
        "new.mat",
        "two.mat",
    ]
    faults = load(folder, [*good, *names])
    assert len(faults) == len(names)
    assert not any("\n" in fault for fault in faults)
    wanted = (
        "'huge.nrrd', a header that announces 1000000 x 1000000 pixels; expected 1 to 100,000,000,000",
        "'huge-packed.nrrd', a header that announces 1000000 x 1000000 pixels; expected 1 to",
        "'out.nhdr', the data file '../../outside.raw', which leads out of its folder; expected a file",
        "'planes.nrrd', a volume of 101 x 83 x 12 values; expected one plane; export the plane",
        "a label of 82 x 101 pixels ('other.nrrd'); expected 83 x 101 pixels, the size of its image",
        "'stack.mat', a volume of 4 x 5 x 6 values; expected one plane",
        "'new.mat', MATLAB 7.3 (HDF5); expected version 5 to 7; save it with save(…, '-v7')",
        "'two.mat', 2 variables with rows and columns (a 83 x 101, b 83 x 101); expected one, the label",
    )
    for number, (fault, text) in enumerate(zip(faults, wanted, strict=True), start=len(good) + 2):
        assert fault.startswith(f":{number} label: found {text}"), fault


def test_an_image_that_would_have_no_pixel_left_is_named(folder):
    here, labels = folder / "data/own", label_files(folder / "data/own")
    tifffile.imwrite(here / "small.tif", LABEL[:3])
    Image.fromarray(LABEL[:3]).save(here / "small.png")
    rows = load(folder, labels, downsample=FACTOR).samples
    assert len(rows) == len(labels)
    text = (here / "samples.tsv").read_text().replace("png-image.tif\tpng.png", "small.tif\tsmall.png")
    (here / "samples.tsv").write_text(text, encoding="utf-8")
    try:
        load_plans(Workflow(studies=("own",)))
        faults = []
    except ConfigurationError as error:
        faults = [str(fault) for fault in error.faults]
    assert faults == [
        "data/own/samples.tsv:2 image: found 3 x 101 pixels in 'data/own/small.tif'; expected at least "
        "4 x 4, which data.downsample makes one pixel"
    ]


def test_labels_of_every_format_are_found_beside_new_images(tmp_path):
    names = label_files(tmp_path)
    stems = [Path(name).stem for name in names]
    samples = [SimpleNamespace(sample=stem, image=f"elsewhere/{stem}.tif") for stem in stems]
    found = pair_labels(samples, tmp_path)
    assert found == {stem: (tmp_path / name).as_posix() for stem, name in zip(stems, names, strict=True)}
