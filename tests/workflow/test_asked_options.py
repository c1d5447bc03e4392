# SPDX-License-Identifier: MIT
"""What a user asks of a trained run: each mistake is named before anything runs."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
from microtome.study.newcomers import Newcomers, find_newcomers, results_name
from microtome.study.plan import StudyPlan
from microtome.study.sample import Sample
from microtome.workflow import asked
from microtome.workflow.asked import NEEDED, Asked, ask, check_unasked, pair_labels
from tests.io.volumes import write_nrrd
from tests.workflow.workspace import mini_study

ASKED = {
    "study": "mini",
    "run": "dice",
    "images": "new",
    "labels": "truth",
    "export": "packed",
    "phantom_model": True,
}
ALL = ("images", "labels", "export")
EXPECTED = "expected a folder with a label of each image's name"
LABELS = ".png, .tif, .tiff, .xml, .geojson, .json, .nrrd, .nhdr, .mat"


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StudyPlan]:
    folder = tmp_path_factory.mktemp("study")
    (folder / "config/studies").mkdir(parents=True)
    study = mini_study()
    study["runs"]["tversky"]["seeds"] = [0, 2]
    (folder / "config/studies/mini.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return load_plans(Workflow(studies=("mini",)))


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch("new/a.PNG", "new/b.jpeg", "new/notes.txt", "new/sub/c.png", "truth/a.xml", "truth/b.tif")


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def faults(plans: dict[str, StudyPlan], needed: tuple[str, ...] = ALL, **options: Any) -> list[str]:
    try:
        ask(Workflow(**(ASKED | options)), plans, needed)
    except ConfigurationError as error:
        return [str(fault) for fault in error.faults]
    return []


@pytest.mark.parametrize("needed", [(), ("images",), ("images", "labels"), ("export",), ALL])
@pytest.mark.parametrize("options", [{}, {"run": "mean"}, {"run": "tversky", "seed": 2}])
def test_what_there_is_can_be_asked_for(
    plans: dict[str, StudyPlan], needed: tuple[str, ...], options: dict[str, Any]
) -> None:
    assert faults(plans, needed, **options) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"study": None}, "--config study: found nothing; expected one of: mini"),
        ({"study": "mimi"}, "--config study: found 'mimi'; expected 'mini'? (known: mini)"),
        ({"run": None}, "--config run: found nothing; expected one of: dice, mean, n4, tversky"),
        ({"run": "tverski"}, "--config run: found 'tverski'; expected 'tversky'? (known: dice, "),
        ({"seed": 2}, "--config split, seed: found split 'main', seed 2; expected a trained one of"),
        ({"split": "fold-1"}, "--config split, seed: found split 'fold-1', seed 0; expected a trained one"),
        ({"run": "mean", "seed": 2}, "--config split, seed: found split 'main', seed 2"),
        ({"images": None}, "--config images: found nothing; expected a folder with PNG, TIFF, JPEG"),
        ({"images": "nowhere"}, "--config images: found 'nowhere'; expected a folder with PNG"),
        ({"images": "new/notes.txt"}, "--config images: found 'new/notes.txt'; expected a folder with PNG"),
        ({"images": "empty"}, "--config images: found 'empty', which holds notes.txt; expected a folder"),
        ({"images": "twice"}, "--config images: found several images called a; expected one image of each"),
        ({"labels": None}, f"--config labels: found nothing; {EXPECTED} ({LABELS})"),
        ({"labels": "nowhere"}, "--config labels: found 'nowhere'; expected a folder with a label"),
        ({"labels": "few"}, "--config labels: found 'few' without a label for b; expected a folder with"),
        ({"export": None}, "--config export: found nothing; expected the folder that gets the packed model"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(plans: dict[str, StudyPlan], options: dict[str, Any], expected: str) -> None:
    touch("empty/notes.txt", "twice/a.png", "twice/a.tif", "twice/b.png", "few/a.json", "few/b.txt")
    (found,) = faults(plans, **options)
    assert found.startswith(expected), found


def test_a_study_that_does_not_run_is_to_be_named_in_studies(plans: dict[str, StudyPlan]) -> None:
    (found,) = faults(plans, study="nuclei")
    assert found.endswith("; or name it in `studies`, too: studies=nuclei")


def test_mistakes_are_listed_together(plans: dict[str, StudyPlan]) -> None:
    found = faults(plans, run="x", labels="nowhere", export=None)
    wrong = [fault.split(":")[0] for fault in found]
    assert wrong == ["--config run", "--config labels", "--config export"]
    assert [f.split(":")[0] for f in faults(plans, study=None, run=None, images=None)] == [
        "--config study",
        "--config images",
    ], "without images nothing can be said of labels"


def test_what_is_not_needed_is_not_looked_at(plans: dict[str, StudyPlan]) -> None:
    assert faults(plans, ("export",), images=None, labels=None) == []
    assert faults(plans, ("images",), labels=None, export=None) == []


def test_many_missing_labels_are_counted(plans: dict[str, StudyPlan]) -> None:
    touch(*[f"many/{number:02d}.png" for number in range(8)])
    (found,) = faults(plans, images="many")
    assert "found 'truth' without a label for 00, 01, 02, 03, 04 and 3 more; expected" in found


def found_in(plans: dict[str, StudyPlan], folder: str) -> Newcomers:
    study = plans["mini"].study
    return find_newcomers(Path(folder), study, [study.runs["dice"]])


def images_of(found: Newcomers) -> list[str]:
    return [one.image for one in found.samples]


def test_images_are_sorted_and_what_is_left_out_is_named(plans: dict[str, StudyPlan]) -> None:
    touch("new/B.tiff", "new/c.bmp", "new/d.jp2", "new/e.jpe", "new/f.jfif", "new/slide.ndpi", "new/README")
    found = found_in(plans, "new")
    names = ["B.tiff", "a.PNG", "b.jpeg", "c.bmp", "d.jp2", "e.jpe", "f.jfif"]
    assert images_of(found) == [f"new/{name}" for name in names]
    assert [name for name, _ in found.notes] == ["sub/", "README", "notes.txt", "slide.ndpi"]
    assert images_of(found_in(plans, "nowhere")) == images_of(found_in(plans, "new/notes.txt")) == []


def test_hidden_files_are_passed_over(plans: dict[str, StudyPlan]) -> None:
    """macOS and Windows leave some in every folder that they show; nobody has to be told."""
    touch(
        "seen/._tile.png", "seen/.DS_Store", "seen/Thumbs.db", "seen/tile.png", "l/._tile.png", "l/tile.tif"
    )
    (Path("seen") / ".hidden").mkdir()
    found = found_in(plans, "seen")
    assert (images_of(found), found.notes) == (["seen/tile.png"], ())
    assert pair_labels(found.samples, Path("l")) == {"tile": "l/tile.tif"}


def test_each_page_of_a_stack_is_an_image(plans: dict[str, StudyPlan]) -> None:
    Path("stacks").mkdir()
    tifffile.imwrite("stacks/s.tif", np.zeros((12, 8, 9), np.uint8), photometric="minisblack")
    found = found_in(plans, "stacks")
    assert [(one.sample, one.page) for one in found.samples] == [(f"s_{n:02d}", n) for n in range(12)]
    assert found.notes == (("s.tif", "12 pages, each of them an image"),)
    assert found.files == ["stacks/s.tif"]
    touch("l/s.tif")
    assert pair_labels(found.samples, Path("l")) == {f"s_{n:02d}": "l/s.tif" for n in range(12)}


def test_an_image_that_cannot_be_read_is_known_before_it_is_tried(plans: dict[str, StudyPlan]) -> None:
    touch("bad/empty.png")
    found = found_in(plans, "bad")
    assert images_of(found) == ["bad/empty.png"]
    assert "an empty file" in found.damaged["empty.png"]


def test_the_state_of_images_changes_with_files_and_with_what_cannot_be_read(
    plans: dict[str, StudyPlan],
) -> None:
    touch("bad/empty.png")
    before = found_in(plans, "bad").state
    assert set(before) == {"bad/empty.png", "damaged empty.png"}
    assert before == found_in(plans, "bad").state
    time = Path("bad/empty.png").stat().st_mtime_ns
    os.utime("bad/empty.png", ns=(time, time - 10**9))
    assert before != found_in(plans, "bad").state


def test_results_of_two_folders_never_have_one_name(tmp_path: Path) -> None:
    touch("one/tiles/a.png", "two/tiles/a.png", "one/é {x}/a.png")
    names = [results_name(Path(name)) for name in ("one/tiles", "two/tiles", "one/é {x}")]
    assert len(set(names)) == 3
    assert [name.rpartition("-")[0] for name in names] == ["tiles", "tiles", "x"]
    same = ("one/tiles/", "one/../one/tiles", tmp_path / "one/tiles")
    assert {results_name(Path(way)) for way in same} == {names[0]}, "however it is written"


def test_results_can_be_given_a_name(plans: dict[str, StudyPlan]) -> None:
    assert ask(Workflow(**ASKED, name="trial.1"), plans, ("images",)).folder == "trial.1"
    assert ask(Workflow(**ASKED), plans, ("images",)).folder == results_name(Path("new"))


def samples(*images: str) -> list[Sample]:
    return [Sample(Path(image).name, image) for image in images]


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".tif", ".TIFF", ".xml", ".geojson", ".json"])
def test_labels_are_paired_by_name_whatever_their_suffix(suffix: str) -> None:
    touch(f"l/a.b{suffix}", "l/a.csv", f"l/c{suffix}")
    assert pair_labels(samples("new/a.b.tif", "new/a.tif"), Path("l")) == {"a.b.tif": f"l/a.b{suffix}"}


def test_of_several_labels_the_first_kind_counts() -> None:
    touch("l/a.json", "l/a.xml", "l/a.tif")
    assert pair_labels(samples("new/a.png"), Path("l")) == {"a.png": "l/a.tif"}
    touch("l/a.png")
    assert pair_labels(iter(samples("new/a.png")), Path("l")) == {"a.png": "l/a.png"}


def test_the_values_beside_a_header_belong_to_the_label(plans: dict[str, StudyPlan]) -> None:
    Path("l").mkdir()
    write_nrrd(Path("l/a.nhdr"), np.zeros((4, 4), np.uint8))
    touch("l/b.png")
    found = Asked(plans["mini"], "dice", "main", 0, labels={"a": "l/a.nhdr", "b": "l/b.png"})
    assert found.label_files == ["l/a.nhdr", "l/a.raw", "l/b.png"]


def test_an_image_beside_its_label_is_no_label() -> None:
    touch("both/a.tif", "both/a.xml", "both/b.tif")
    assert pair_labels(samples("both/a.tif", "both/b.tif"), Path("both")) == {"a.tif": "both/a.xml"}


def test_an_image_is_no_label_however_its_folder_is_written(tmp_path: Path) -> None:
    touch("both/a.png", "both/a.xml")
    Path("link").symlink_to("both")
    for folder in (Path.cwd() / "both", Path("link"), Path("link/../both")):
        paired = pair_labels(samples("both/a.png"), folder)
        assert paired == {"a.png": (folder / "a.xml").as_posix()}


def test_a_link_to_nothing_is_named(plans: dict[str, StudyPlan]) -> None:
    Path("linked").mkdir()
    Path("linked/a.png").symlink_to("nowhere.png")
    assert found_in(plans, "linked").notes == (("a.png", "a link to a file that is not there"),)


@pytest.mark.parametrize(
    ("pages", "label", "found"),
    [
        (3, "s.tif", "1 page of labels for the stack of images"),
        (3, "s.xml", "1 page of labels for the stack of images"),
        (1, "s.tif", "3 pages of a label for one image"),
    ],
)
def test_labels_have_the_pages_of_their_images(
    plans: dict[str, StudyPlan], pages: int, label: str, found: str
) -> None:
    """One page of labels was measured against every page of a stack."""
    for folder in ("stacked", "l"):
        Path(folder).mkdir()
    stack = np.zeros((3, 8, 9), np.uint8)
    tifffile.imwrite("stacked/s.tif", stack[:pages], photometric="minisblack", metadata=None)
    touch(f"l/{label}")
    options = {**ASKED, "images": "stacked", "labels": "l", "phantom_model": True}
    if label.endswith(".tif"):
        tifffile.imwrite("l/s.tif", stack[: 4 - pages], photometric="minisblack", metadata=None)
    with pytest.raises(ConfigurationError) as caught:
        ask(Workflow(**options), plans, ("images", "labels"))
    assert [fault.found for fault in caught.value.faults] == [f"{found}, in 'l/{label}'"]
    tifffile.imwrite("l/s.tif", stack[:pages], photometric="minisblack", metadata=None)
    assert len(ask(Workflow(**options), plans, ("images", "labels")).labels) == pages


def test_no_folder_has_no_labels() -> None:
    assert pair_labels(samples("new/a.png"), Path("nowhere")) == {}


def test_options_of_a_run_that_nothing_uses_are_a_question() -> None:
    for targets in ((), ("all",), ("tables", "report")):

        def asked_for(targets: tuple[str, ...] = targets) -> tuple[str, ...]:
            return targets

        with pytest.raises(ConfigurationError) as caught:
            check_unasked({"study": "mine", "images": "new", "scale": "demo"}, asked_for)
        found = "an option of apply, evaluate_folder and export_model, none of which is asked for"
        target = "the target at the end of the command, such as -- apply"
        assert [str(fault) for fault in caught.value.faults] == [
            f"--config study: found 'mine', {found}; expected studies=mine to run that study, or {target}",
            f"--config images: found 'new', {found}; expected {target}",
        ]
        check_unasked({"studies": "mine", "scale": "demo"}, asked_for)
    for target in (*NEEDED, "results/demo/mine/runs/main/dice/seed-0/applied/new"):
        check_unasked({"study": "mine"}, [target].copy)


def test_names_that_are_numbers_are_text():
    found = Workflow.model_validate({"study": 7, "run": 1.5, "images": 12, "studies": [7]})
    assert (found.study, found.run, found.images, found.studies) == ("7", "1.5", "12", ("7",))
    fault = asked._unknown("run", "7", ["007"])
    assert "write run: '007' in config/config.yaml" in fault.expected
    assert "config.yaml" not in asked._unknown("run", "bse", ["bce"]).expected
