# SPDX-License-Identifier: MIT
"""Which files of a folder are images, which are labels, and which label belongs to which image."""

import pytest

from microtome.study.survey.folder import sort_out
from microtome.study.survey.pairs import pair


def folder_of(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def paired(listing):
    """Image to label, by their paths from the two roots."""
    found = pair(listing)
    return {
        image.relative_to(listing.image_root).as_posix(): label.relative_to(listing.label_root).as_posix()
        for image, label in found.label_of.items()
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.png", "a_mask.png", "b.png"], {"a.png": "a_mask.png"}),
        (["images/1.tif", "masks/1.png"], {"images/1.tif": "masks/1.png"}),
        (["img_01.png", "label_01.png"], {"img_01.png": "label_01.png"}),
        (
            ["train/images/0.png", "train/labels/0.png", "test/images/0.png"],
            {"train/images/0.png": "train/labels/0.png"},
        ),
        (
            ["Training Data/Tissue Images/TCGA-1.tif", "Training Data/Annotations/TCGA-1.xml"],
            {"Training Data/Tissue Images/TCGA-1.tif": "Training Data/Annotations/TCGA-1.xml"},
        ),
        (["s/a.svs", "annotations/a.geojson"], {"s/a.svs": "annotations/a.geojson"}),
        (["a.tif", "a.geojson"], {"a.tif": "a.geojson"}),
        (["m0.tif", "m0.nrrd"], {"m0.tif": "m0.nrrd"}),
        (["a.ome.tif", "a_instance_labels.tif"], {"a.ome.tif": "a_instance_labels.tif"}),
        (["a.png", "a.xml", "a_mask.png"], {"a.png": "a_mask.png"}),
        (["masks.png", "a.png"], {}),
        (["x/1.png", "y/1.png", "labels/1.png"], {}),
        (
            [
                "imagesTr/c_001_0000.png",
                "imagesTr/c_002_0000.png",
                "labelsTr/c_001.png",
                "labelsTr/c_002.png",
            ],
            {
                "imagesTr/c_001_0000.png": "labelsTr/c_001.png",
                "imagesTr/c_002_0000.png": "labelsTr/c_002.png",
            },
        ),
        (["imagesTr/c_0000.png", "imagesTr/c_0001.png", "labelsTr/c.png"], {}),
        (["i/a_HE.png", "masks/a.png"], {"i/a_HE.png": "masks/a.png"}),
        (
            ["images/img_1.png", "images/scan_1.png", "masks/scan_1.png"],
            {"images/scan_1.png": "masks/scan_1.png"},
        ),
        (["images/img_1.png", "images/scan_1.png", "masks/1.png"], {}),
        (["images/a.png", "images/a.tif", "masks/a.png"], {"images/a.png": "masks/a.png"}),
        (["a.png", "a_anno.bmp"], {"a.png": "a_anno.bmp"}),
        (["s1.png", "s1_2_mask.png"], {}),
        (["s1_2.png", "s1_mask.png"], {}),
        (["gru\u0308n.png", "gr\u00fcn_mask.png"], {"gru\u0308n.png": "gr\u00fcn_mask.png"}),
    ],
)
def test_labels_are_found_by_their_names(tmp_path, names, expected):
    assert paired(sort_out(folder_of(tmp_path, names))) == expected


@pytest.mark.parametrize(
    ("images", "labels", "expected"),
    [
        (["a.png", "b.png"], ["b.png"], {"b.png": "b.png"}),
        (["a.jpg"], ["a_cells.png"], {"a.jpg": "a_cells.png"}),
        (["a.jpg", "a_1.jpg"], ["a_1_cells.png"], {"a_1.jpg": "a_1_cells.png"}),
        (
            ["p1/0.png", "p2/0.png"],
            ["p2/0.png", "p1/0.png"],
            {"p1/0.png": "p1/0.png", "p2/0.png": "p2/0.png"},
        ),
    ],
)
def test_labels_of_a_folder_of_their_own(tmp_path, images, labels, expected):
    listing = sort_out(folder_of(tmp_path / "i", images), folder_of(tmp_path / "l", labels))
    assert paired(listing) == expected


def test_a_folder_of_labels_inside_that_of_images_holds_no_images(tmp_path):
    root = folder_of(tmp_path, ["a.png", "drawn/a.png"])
    listing = sort_out(root, root / "drawn")
    assert [path.name for path in listing.images] == ["a.png"]
    assert paired(listing) == {"a.png": "a.png"}
    assert listing.root == root


def test_images_inside_the_folder_of_labels_are_no_labels(tmp_path):
    root = folder_of(tmp_path, ["pictures/z.png", "z.png"])
    assert paired(sort_out(root / "pictures", root)) == {"z.png": "z.png"}


def test_what_is_left_out_is_said(tmp_path):
    listing = sort_out(folder_of(tmp_path, ["a.png", "a_mask.png", "z_mask.png", "notes.txt", ".a.png"]))
    assert [(path.name, why) for path, why in listing.left_out] == [
        ("notes.txt", "neither an image nor a label, by its ending")
    ]
    assert [(path.name, why) for path, why in pair(listing).left_out] == [
        ("z_mask.png", "a label of no image, by its name")
    ]


def test_a_name_that_jobs_cannot_use_is_left_out(tmp_path):
    listing = sort_out(folder_of(tmp_path, ["a.png", "scan{2}.png"]))
    assert [path.name for path in listing.images] == ["a.png"]
    assert "Snakemake takes for a wildcard" in listing.left_out[0][1]


@pytest.mark.parametrize(
    ("names", "said"), [(["notes.txt"], r"found no image in .*\(\.txt\)"), ([".a.png"], r"\(nothing\)")]
)
def test_a_folder_without_images_is_refused(tmp_path, names, said):
    with pytest.raises(ValueError, match=said):
        sort_out(folder_of(tmp_path, names))


def test_images_that_are_called_like_labels_are_said(tmp_path):
    root = folder_of(tmp_path, ["target_1.png", "target_2.png"])
    with pytest.raises(
        ValueError, match=r"found no image in .*; 2 seem to be labels by their names \(target_1.png"
    ):
        sort_out(root)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"--labels: found '.*none', which is no folder"):
        sort_out(folder_of(tmp_path, ["a.png"]), tmp_path / "none")


def test_many_files_are_paired_in_no_time(tmp_path):
    """A quadratic search would take minutes."""
    names = [f"{kind}/{number}.png" for number in range(4000) for kind in ("images", "labels")]
    listing = sort_out(folder_of(tmp_path, names))
    assert len(paired(listing)) == 4000
