# SPDX-License-Identifier: MIT
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from microtome.report.arrange import short_titles
from microtome.report.collect import collect
from microtome.report.limits import PAGE_BYTES
from microtome.report.page import build_report
from microtome.stages.report import not_shown
from tests.report import tree
from tests.report.page_checks import Page

LOADING = {"src", "srcset", "poster", "data", "action", "xlink:href", "background"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tree.make(tmp_path_factory.mktemp("results"))
    return collect(folder, [tree.META], command="snakemake --cores 2"), folder


@pytest.fixture(scope="module")
def page(inputs):
    return Page(build_report(inputs[0]))


@pytest.fixture
def results(inputs, tmp_path):
    return Path(shutil.copytree(inputs[1], tmp_path / "demo"))


def built(folder, meta=tree.META):
    return Page(build_report(collect(folder, [meta])))


def test_elements_nest(page):
    assert page.faults == []


def test_ids_are_unique_and_links_inside_the_page_lead_somewhere(page):
    assert len(page.ids) == len(set(page.ids))
    inside = {link["href"][1:] for link in page.all("a") if link["href"].startswith("#")}
    assert inside <= set(page.ids)


def test_nothing_is_loaded_from_elsewhere(page):
    loaded = [attributes[name] for _, attributes, _ in page.tags for name in LOADING & set(attributes)]
    assert loaded
    assert all(address.startswith("data:image/webp;base64,") for address in loaded)
    assert page.all("link") == []
    assert all("href" not in attributes for tag, attributes, _ in page.tags if tag != "a")


def test_the_inputs_are_the_same_however_many_studies_are_read_at_once(results):
    studies = [replace(tree.META, name=f"study-{number}", title=f"S{number}") for number in range(3)]
    for study in studies:
        shutil.copytree(results / tree.META.name, results / study.name)
    found = [collect(results, studies, threads=threads) for threads in (1, 3)]
    first, second = (build_report(replace(one, machine={}, git=None)) for one in found)
    assert first == second


def test_classes_have_a_legend_in_their_colours(inputs, page):
    names = {f"colour of {name}": color for name, color in tree.META.colors.items()}
    assert [drawing["aria-label"] for drawing in page.all("svg") if drawing["aria-label"] in names] == [
        *names
    ]
    assert [drawing["fill"] for drawing in page.all("circle") if drawing.get("stroke") == "#7a7a7a"] == [
        *names.values()
    ]
    plain = build_report(collect(inputs[1], [replace(tree.META, colors={})]))
    assert "colour of" not in plain


def test_style_loads_nothing(inputs):
    style = re.search(r"<style>(.*?)</style>", build_report(inputs[0]), re.S)[1]
    assert "url(" not in style
    assert "@import" not in style


def test_only_references_link_to_the_web(page):
    web = [parents for tag, attributes, parents in page.tags if "://" in attributes.get("href", "")]
    assert len(web) == 1
    assert "ol" in web[0]
    assert not any(link["href"].startswith("javascript") for link in page.all("a"))


def test_links_to_files_lead_to_files(page, inputs):
    local = [link["href"] for link in page.all("a") if "://" not in link["href"] and link["href"][0] != "#"]
    assert len(local) > 10
    assert [href for href in local if not (inputs[1] / unquote(href)).is_file()] == []


def test_all_tables_and_figures_are_there(page):
    for text in ("Table 1: running time", "Table 2: scores", "Figure 1: losses", "Validation loss by epoch."):
        assert text in page.words
    assert "84.25" in page.words
    assert "0.910 ± 0.012" in page.words


@pytest.mark.parametrize("order", [(1, 2, 3), (2, 1, 3), (3, 2)])
def test_tables_come_in_the_order_of_the_study_then_the_others(results, order):
    meta = replace(tree.META, tables={f"table_{number}": "" for number in order})
    ids = [name for name in built(results, meta).ids if ".table.table-" in name]
    others = tuple(number for number in (1, 2) if number not in order)
    assert ids == [f"membranes.table.table-{number}" for number in order + others]


def test_what_is_missing_is_said_with_its_reason(page):
    for text in (
        "tables/table_3.tsv does not exist",
        "figures/figure_2.png does not exist",
        "not trained: its folder does not exist",
        "1 missing, 0 incomplete",
    ):
        assert text in page.words


def test_the_missing_run_comes_first(page):
    rows = [attributes.get("class") for tag, attributes, _ in page.tags if tag == "tr"]
    shown = [name for name in rows if name in ("missing", "incomplete", "done")]
    assert shown == ["missing", *["done"] * 7]


def test_a_run_says_what_it_started_from(page):
    assert f"Start of the network: {tree.START}." in page.words


def test_text_from_files_is_escaped(inputs, page):
    assert tree.EVIL in page.words
    assert len(page.all("script")) == 1
    assert tree.EVIL not in build_report(inputs[0])


def test_every_picture_and_drawing_has_a_text(page):
    pictures = page.all("img")
    assert len(pictures) == 2 + 3 * 6, "a figure is also in the overview"
    assert all(picture["alt"] for picture in pictures)
    assert all(drawing["aria-label"] for drawing in page.all("svg"))


def test_headings_descend_one_level_at_a_time(page):
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


def test_table_headings_have_a_scope(page):
    assert all(heading.get("scope") in ("col", "row") for heading in page.all("th"))


def test_the_page_is_small_and_the_same_for_the_same_inputs(inputs):
    first = build_report(inputs[0])
    assert first == build_report(inputs[0])
    assert len(first.encode()) < PAGE_BYTES / 10
    again = collect(inputs[1], [tree.META], command="snakemake --cores 2")
    assert build_report(replace(again, machine=inputs[0].machine, git=inputs[0].git)) == first


def test_phantoms_are_labelled_and_public_data_are_not(results):
    assert "Phantom data. These images are simulated" in built(results).words
    for path in results.rglob("card.json"):
        path.write_text(path.read_text().replace('"phantom"', '"public"'))
    page = built(results, replace(tree.META, data_source="public"))
    assert "These images are simulated" not in page.words
    assert "public data" in page.words


def test_without_a_paper_nothing_is_said_of_one(results):
    page = built(results, replace(tree.META, follows_paper=False, citations=()))
    assert not re.search("publish|paper|reference", page.words, re.IGNORECASE)
    assert "not comparable with those of real images" in page.words
    assert "not comparable with published values" in built(results).words


def test_figures_of_a_paper_that_are_not_made_are_listed_with_the_reason(results):
    published = {"fig_1": {}, "fig_29": {"kind": "X", "content": "a <CT> scan"}, "fig_30": {"kind": "S"}}
    titles = {"a": "Figures 1 and 2: x", "b": "Loss curves of 30 epochs"}
    found = tuple(not_shown(titles, published))
    assert [number for number, _ in found] == ["29", "30"]
    page = built(results, replace(tree.META, not_shown=found))
    assert "Figures of the paper that are not made (2)" in page.words
    assert "Figure 29: a <CT> scan: a picture of others or a screenshot" in page.words
    assert "not made (" not in built(results).words


def test_splits_time_and_environment_are_shown(page):
    for text in (
        "main train 2 1",
        "main test 3 2",
        "train 2 2 min 54 s 1 min 31 s 640.0 MiB",
        "snakemake --cores 2",
        "0123456789 with changes",
    ):
        assert text in page.words


def test_cards_show_every_setting(page):
    for text in ("training.optimizer.lr 0.001", "digests.config " + "c" * 64, "versions.torch 2.13.0"):
        assert text in page.words


def test_diverged_and_incomplete_runs_are_named(results):
    folder = results / "membranes" / "runs" / "main" / "n4" / "seed-0"
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, "best_val_loss": float("nan")}))
    (folder / "metrics.tsv").unlink()
    (folder / "history.tsv").write_text("")
    words = built(results).words
    assert "N4 (Ciresan), split main, seed 0: diverged" in words
    assert "history.tsv is empty" in words
    assert "metrics.tsv does not exist" in words


def test_a_broken_card_is_a_missing_run_with_its_reason(results):
    card = results / "membranes" / "runs" / "main" / "n4" / "seed-0" / "card.json"
    card.write_text("{")
    words = built(results).words
    assert "not finished: card.json is not JSON" in words
    assert str(card.parent) not in words


def test_runs_the_study_does_not_ask_for_are_named(results):
    meta = replace(tree.META, runs=tree.META.runs[2:])
    assert (
        "runs/main/unet_bce/seed-0 is on disk, but the study does not ask for it"
        in built(results, meta).words
    )


def test_seeds_trained_for_an_ensemble_are_asked_for(results):
    """Runs that are on disk because an ensemble averages them are nothing left over."""
    card = results / "membranes/runs/main/ensemble/seed-0/card.json"
    content = json.loads(card.read_text(encoding="utf-8"))
    left = [run for run in tree.META.runs if run.run.startswith("unet")]
    content["network"]["trained"] = [{"run": run.run, "seed": run.seed} for run in left]
    card.write_text(json.dumps(content), encoding="utf-8")
    runs = [run for run in tree.META.runs if run not in left]
    assert len(runs) < len(tree.META.runs)
    assert "does not ask for it" not in built(results, replace(tree.META, runs=tuple(runs))).words


def test_a_table_the_study_does_not_ask_for_is_labelled(results):
    meta = replace(tree.META, tables={"table_2": "Table 2"})
    assert "On disk, but the study file does not ask for it." in built(results, meta).words


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"note": ""}', '{"caption": 3}', '{"caption": "c", "units": 3}']
)
def test_a_wrong_sidecar_is_said_and_its_table_still_shown(results, text):
    (results / "membranes" / "tables" / "table_1.json").write_text(text)
    words = built(results).words
    assert "no caption: table_1.json cannot be read" in words
    assert "84.25" in words


@pytest.mark.parametrize("text", ["", "a\tb\n"])
def test_an_empty_table_is_said(results, text):
    (results / "membranes" / "tables" / "table_1.tsv").write_text(text)
    assert "tables/table_1.tsv has no rows" in built(results).words


def test_a_broken_figure_is_said(results):
    (results / "membranes" / "figures" / "figure_1.png").write_bytes(b"not a png")
    page = built(results)
    assert "figures/figure_1.png cannot be read" in page.words
    assert page.faults == []


def test_an_empty_results_folder_gives_a_page_that_says_so(tmp_path):
    page = built(tmp_path)
    assert page.faults == []
    for text in (
        "the folder membranes does not exist",
        "no run has metrics",
        "0 of 8",
    ):
        assert text in page.words
    assert "memory per rule are unknown" in page.words


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="run the workflow"):
        collect(tmp_path / "none", [tree.META])


@pytest.mark.parametrize("studies", [[], [tree.META, tree.META]])
def test_studies_are_named_once(tmp_path, studies):
    with pytest.raises(ValueError, match="name at least one, and each once"):
        collect(tmp_path, studies)


def test_no_path_of_this_machine_is_shown(inputs):
    assert str(Path(inputs[1]).parent) not in build_report(inputs[0])


def test_studies_of_one_title_are_told_apart(results):
    shutil.copytree(results / tree.META.name, results / "again")
    page = Page(build_report(collect(results, [tree.META, replace(tree.META, name="again")])))
    for name in (tree.META.name, "again"):
        assert page.words.count(f"{tree.META.title} ({name})") >= 4  # contents, card, overview, its view
    alike = {"a": "Skin: layers", "b": "Skin: cells", "c": "Eye: cells"}
    studies = [replace(tree.META, name=name, title=title) for name, title in alike.items()]
    for name in alike:
        shutil.copytree(results / tree.META.name, results / name)
    short = short_titles(collect(results, studies).studies)
    assert short == {"a": "Skin: layers", "b": "Skin: cells", "c": "Eye"}


def test_what_the_study_does_not_ask_for_is_neither_counted_nor_missing(results):
    (results / tree.META.name / "tables/old.json").write_text('{"caption": "Old."}', encoding="utf-8")
    page = built(results)
    assert "2 of 3 tables" in page.words
    assert "old" not in page.words.partition("Not produced:")[2].partition(".")[0]
