# SPDX-License-Identifier: MIT
"""Slices with their neighbours, from the stack to the map of a run that sees three at once."""

import json
import shutil

import numpy as np
import pytest
import tifffile
import torch
import yaml

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images, views
from microtome.io.errors import ImageError
from microtome.provenance.cards import read_card
from microtome.provenance.runs import METRICS_COLUMNS
from microtome.stages.apply import Trained, apply_run, unpacked
from microtome.stages.export import export_run
from microtome.stages.images import import_images, simulate
from microtome.stages.patches import extract_patches
from microtome.stages.predict import load_model, predict_batch
from microtome.stages.stacks import stack_batch, write_stack
from microtome.stages.targets import rasterize_targets
from microtome.stages.train import TrainingFiles, train_run
from microtome.study.load import load_plans
from microtome.workflow.asked import ask
from microtome.workflow.states import applied, data, runs, stacks

SIDE = 48
BATCHES = ("train-0", "val-0", "test-0")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Plan and folder of a study whose one run sees three slices, trained."""
    root = tmp_path_factory.mktemp("stack")
    content = {
        "title": "Three slices",
        "data": {
            "source": "phantom",
            "phantom": {"size": SIDE, "slices": {"train": 3, "val": 2, "test": 3}, "block": 1},
            "group_by": "block",
            "classes": {"membrane": 0, "cell": 255},
        },
        "patches": {"size": SIDE, "stride": SIDE},
        "runs": {
            "three": {
                "network": {"name": "unet", "width": 2, "in_channels": 3},
                "loss": {"name": "bce"},
                "input": {"neighbours": 1},
                "training": {"epochs": 1},
            }
        },
    }
    path = root / "config/studies/em.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        plan = load_plans(Workflow(studies=("em",), scale="full"))["em"]
    simulate(options(data.simulate(plan)), root / "raw")
    for batch in BATCHES:
        import_images(
            options(data.import_images(plan, batch))["samples"], root / "raw", root / f"images/{batch}"
        )
        chosen = options(data.rasterize_targets(plan, batch))
        targets = root / f"targets/{batch}"
        rasterize_targets(chosen["samples"], root / "raw", targets, targets=chosen["targets"])
        extract_patches(targets, root / f"patches/{batch}.parquet", **options(data.extract_patches(plan)))
        chosen = options(stacks.stack_neighbours(plan, "main", "1", batch))
        stack_batch(chosen, [root / f"images/{each}" for each in BATCHES], root / f"stacked/{batch}")
    named = {
        name: [str(root / pattern.format(batch)) for batch in BATCHES[:2]]
        for name, pattern in (
            ("patches", "patches/{}.parquet"),
            ("images", "stacked/{}"),
            ("targets", "targets/{}"),
        )
    }
    chosen = options(runs.train(plan, "main", "three", 0))
    train_run(
        chosen,
        TrainingFiles.of(named),
        root / "run",
        checkpoint=root / "run.checkpoint",
        device="cpu",
        threads=1,
    )
    return plan, root


def options(state):
    return json.loads(state)["options"]


def test_channels_are_the_slices_in_order(study):
    _, root = study
    slices = [views.read_pixels(root / f"images/test-0/slice-{n:03d}.tif")[0] for n in (5, 6, 7)]
    for sample, order in (("slice-005", (1, 0, 1)), ("slice-006", (0, 1, 2)), ("slice-007", (1, 2, 1))):
        found = views.read_pixels(root / f"stacked/test-0/{sample}.tif")
        assert np.array_equal(found, np.stack([slices[index] for index in order])), sample


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colours_of_each_slice_stay_together(tmp_path, dtype):
    rng = np.random.default_rng(1)
    slices = [(200 * rng.random((3, 40, 30))).astype(dtype) for _ in range(3)]
    paths = [tmp_path / f"{number}.tif" for number in range(3)]
    for path, pixels in zip(paths, slices, strict=True):
        images.write(path, pixels, mpp=0.5)
    write_stack(paths, tmp_path / "all.tif")
    found = views.read_pixels(tmp_path / "all.tif")
    assert found.dtype == dtype
    assert np.array_equal(found, np.concatenate(slices))
    assert images.header(tmp_path / "all.tif").mpp == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(40, 31), (3, 40, 30)])
def test_slices_that_differ_are_refused(tmp_path, shape):
    images.write(tmp_path / "a.tif", np.zeros((40, 30), np.uint8))
    images.write(tmp_path / "b.tif", np.zeros(shape, np.uint8))
    with pytest.raises(
        ImageError, match=r"expected 1 x 40 x 30 values of type uint8, as its neighbour a\.tif"
    ):
        write_stack([tmp_path / name for name in ("b.tif", "a.tif", "b.tif")], tmp_path / "all.tif")
    assert not (tmp_path / "all.tif").exists()


def test_the_card_speaks_of_a_slice(study):
    card = read_card(study[1] / "run/card.json")
    assert (card["channels"], card["modality"]) == (1, "grey")
    assert card["training"]["input"]["neighbours"] == 1
    assert card["network"]["options"]["in_channels"] == 3


def test_the_network_sees_the_neighbours_when_it_predicts(study):
    """Against the network itself, on slices stacked by hand."""
    plan, root = study
    predict_batch(
        options(runs.predict(plan, "three")),
        root / "run/model.safetensors",
        root / "stacked/test-0",
        root / "maps",
        device="cpu",
        threads=1,
    )
    model = load_model(root / "run/model.safetensors", plan.study.runs["three"].network.model_dump())
    slices = [views.read_pixels(root / f"images/test-0/slice-{n:03d}.tif")[0] for n in (5, 6, 7)]
    with torch.no_grad():
        pixels = torch.from_numpy(np.stack(slices)[None].astype(np.float32))
        expected = torch.sigmoid(model((pixels / 255 - 0.5) / 0.5))[0, 0].numpy()
    found = views.read_map(root / "maps/slice-006.tif")[0]
    assert np.allclose(found, expected, atol=1e-5)
    assert np.abs(found - views.read_map(root / "maps/slice-005.tif")[0]).max() > 1e-3


def test_new_slices_are_predicted_between_their_neighbours(study, tmp_path):
    """What `apply` makes of a stack of new files is what the workflow made of the same slices."""
    plan, root = study
    paths = [root / f"raw/images/{number:03d}.tif" for number in (5, 6, 7)]
    rows = []
    for place, path in enumerate(paths):
        around = [paths[place - 1] if place else paths[1], path, paths[place + 1] if place < 2 else paths[1]]
        neighbours = [{"image": each.as_posix(), "page": 0} for each in around]
        own = {"sample": path.stem, "image": path.as_posix(), "page": 0, "mpp": None}
        rows.append(own | {"neighbours": neighbours})
    chosen = options(applied.apply(plan, "three", 0, rows))
    table = apply_run(chosen, Trained([root / "run"]), tmp_path / "out", device="cpu", threads=1)
    assert table["status"].tolist() == ["done"] * 3
    for path in paths:
        found = views.read_map(tmp_path / f"out/predictions/{path.stem}.tif")
        assert np.allclose(found, views.read_map(root / f"maps/slice-{path.stem}.tif"), atol=1e-6)
    assert not list((tmp_path / "out").rglob("stacked*")), "scratch is left"


@pytest.fixture(scope="module")
def archive(study, tmp_path_factory):
    """The run, packed."""
    plan, root = study
    folder = tmp_path_factory.mktemp("packed")
    cells = ("em", "main", "three", "0", "test", "slice-005", "cell", "dice", "0.5")
    (folder / "metrics.tsv").write_text("\t".join(METRICS_COLUMNS) + "\n" + "\t".join(cells) + "\n")
    chosen = options(applied.export_run(plan, "three", None))
    files = {"metrics": [folder / "metrics.tsv"], "archive": folder / "three.zip"}
    (folder / "three").mkdir()
    (folder / "three/seed-0").symlink_to(root / "run")
    export_run(chosen, members=[folder / "three/seed-0"], stains=[], **files)
    return folder / "three.zip"


def new_files(root, folder, numbers=(5, 6, 7)):
    """Slices of the test part in a folder, as files and as the pages of one."""
    folder.mkdir()
    paths = [root / f"raw/images/{number:03d}.tif" for number in numbers]
    for path in paths:
        shutil.copy(path, folder / f"slice-{path.name}")
    pages = np.stack([images.read(path) for path in paths])
    tifffile.imwrite(folder.parent / "new.tif", pages, photometric="minisblack", metadata=None)


@pytest.mark.parametrize(
    ("place", "names"),
    [("new", ("slice-005", "slice-006", "slice-007")), ("new.tif", ("new_0", "new_1", "new_2"))],
)
def test_a_packed_model_sees_the_neighbours(study, archive, tmp_path, place, names):
    """From the archive and a folder alone to the maps that the workflow made of the same slices."""
    plan, root = study
    new_files(root, tmp_path / "new")
    settings = {"model": str(archive), "images": str(tmp_path / place), "phantom_model": True}
    asked = ask(Workflow(**settings), {}, ("images",))
    chosen = options(applied.apply(asked.plan, asked.run, asked.seed, asked.rows()))
    with unpacked(chosen, archive, tmp_path / "out") as trained:
        table = apply_run(chosen, trained, tmp_path / "out", device="cpu", threads=1)
    assert table["status"].tolist() == ["done"] * 3
    weights, source = root / "run/model.safetensors", root / "stacked/test-0"
    predict_batch(
        options(runs.predict(plan, "three")), weights, source, tmp_path / "maps", device="cpu", threads=1
    )
    for name, number in zip(names, (5, 6, 7), strict=True):
        found = views.read_map(tmp_path / f"out/predictions/{name}.tif")
        assert np.allclose(found, views.read_map(tmp_path / f"maps/slice-{number:03d}.tif"), atol=1e-6)


def test_a_slice_without_any_neighbour_is_refused(study, archive, tmp_path):
    """One file of a folder: thrice the same slice is nothing that the network has learnt."""
    new_files(study[1], tmp_path / "new")
    settings = {"model": str(archive), "images": str(tmp_path / "new/slice-006.tif"), "phantom_model": True}
    with pytest.raises(ConfigurationError, match="no slice whose number is 1 to 1 above another's"):
        ask(Workflow(**settings), {}, ("images",))
