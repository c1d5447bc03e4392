# SPDX-License-Identifier: MIT
"""Loading studies and the workflow: merging, and faults with file, line and remedy."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import yaml
from pytest import fixture, mark, raises

from microtome.config import load
from microtome.config.load import SCALES, load_workflow
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError, Fault, grouped
from microtome.study.load import load_plans, sheet_faults
from microtome.workflow.states import products
from tests.config.studies import load_study
from tests.workflow.workspace import REPOSITORY, mini_study

HEAVY = {"pandas", "torch", "matplotlib", "sklearn", "scipy", "skimage"}
CLASSES = {"a": 0, "b": 1}
STUDIES = REPOSITORY / "config/studies"
MINI = """\
paper: p4_unet_isbi
title: t
data: {source: phantom, group_by: block, classes: {membrane: 0, cell: 255}}
defaults:
  network: {name: unet, width: 64}
  loss: {name: bce}
  training: {epochs: 100, optimizer: {lr: 0.1}}
runs:
  a: {label: A}
  b: {loss: {name: tversky, alpha: 0.2}}
  c:
scales:
  demo:
    network: null
"""


def parse(folder, text, scale="paper", name="x"):
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return load_study(name, scale, folder=folder)


def faults_of(folder, text, scale="paper"):
    with raises(ConfigurationError) as caught:
        parse(folder, text, scale)
    return [str(fault).removeprefix(f"{folder}/x.yaml") for fault in caught.value.faults]


@fixture
def small():
    return MINI.replace("scales:\n  demo:\n    network: null\n", "")


@mark.parametrize("scale", SCALES)
@mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_load_at_every_scale(path, scale, monkeypatch):
    """Those with a sheet of the project load with it; without its files, which are fetched or the user's."""
    if scale == "paper" and "\npaper: " not in path.read_text(encoding="utf-8"):
        with raises(ConfigurationError, match="run with --config scale=full"):
            load_study(path.stem, scale, folder=STUDIES)
        return
    study = load_study(path.stem, scale, folder=STUDIES)
    assert study.runs
    if str(study.data.samples).startswith("config/"):
        monkeypatch.chdir(REPOSITORY)
        plans = load_plans(Workflow(studies=(path.stem,), scale=scale), look_at_files=False)
        assert plans[path.stem].study == study


def test_what_is_held_out_needs_no_part(tmp_path, small):
    """The part `val` may be empty where all that is trained holds windows out."""
    held = small.replace("  training:", "  sampler: {holdout: 0.1}\n  training:")
    assert parse(tmp_path, small).needed_parts == ("train", "val", "test")
    assert parse(tmp_path, held).needed_parts == ("train", "test")
    apart = "  a: {sampler: {holdout: 0}, "
    for change in (apart, f"{apart}calibration: {{kind: cubic}}, "):
        assert "val" in parse(tmp_path, held.replace("  a: {", change)).needed_parts
    assert "val" in parse(tmp_path, held + "evaluate: {parts: [val]}\n").needed_parts


def test_a_run_is_the_defaults_with_its_changes(tmp_path, small):
    study = parse(tmp_path, small)
    assert study.runs["a"].loss.name == "bce"
    assert study.runs["b"].loss.alpha == 0.2
    assert study.runs["b"].training.epochs == 100
    assert study.runs["c"] == study.runs["a"].model_copy(update={"label": ""})


def test_scales_reach_deep_and_leave_the_file_alone(tmp_path, small):
    overlay = (
        "scales:\n  demo:\n    defaults:\n      network.width: 8\n      training: {epochs: 3}\n"
        "    runs:\n      b: {loss.alpha: 0.9}\n      c: omit\n"
    )
    study = parse(tmp_path, small + overlay, "demo")
    assert list(study.runs) == ["a", "b"]
    assert study.runs["a"].network.width == 8
    assert (study.runs["a"].training.epochs, study.runs["a"].training.optimizer.lr) == (3, 0.1)
    assert (study.runs["b"].loss.name, study.runs["b"].loss.alpha) == ("tversky", 0.9)
    assert parse(tmp_path, small + overlay, "paper").runs["a"].network.width == 64


def test_a_run_overrides_a_scale_of_the_defaults(tmp_path, small):
    text = small.replace("{label: A}", "{training: {epochs: 7}}")
    study = parse(tmp_path, text + "scales: {demo: {defaults: {training: {epochs: 3}}}}\n", "demo")
    assert (study.runs["a"].training.epochs, study.runs["b"].training.epochs) == (7, 3)


def test_the_file_itself_has_two_words_and_one_meaning(tmp_path, small):
    """`paper` belongs to studies that follow one; the results of both words lie in one folder."""
    for overlay in ("", "scales: {paper: {runs: {c: omit}}}\n", "scales: {full: {runs: {c: omit}}}\n"):
        text = small + overlay
        assert parse(tmp_path, text, "full") == parse(tmp_path, text, "paper")
        assert ("c" in parse(tmp_path, text, "full").runs) == (not overlay)
    both = faults_of(tmp_path, small + "scales: {paper: {}, full: {}}\n", "demo")
    assert "one of the two, as both are the file itself" in " ".join(both)
    assert Workflow(scale="paper").place == Workflow(scale="full").place == "full"


def test_a_study_needs_no_paper(tmp_path, small):
    alone = small.replace("paper: p4_unet_isbi\n", "")
    assert parse(tmp_path, alone, "full").paper is None
    (fault,) = faults_of(tmp_path, alone, "paper")
    assert fault == (
        " paper: found nothing, at the scale 'paper'; expected the key of its paper, or run with "
        "--config scale=full, which is the file itself"
    )


def test_cards_call_the_file_itself_paper_only_where_there_is_one(tmp_path, small):
    for name, paper in (("with", "paper: p4_unet_isbi\n"), ("without", "")):
        text = small.replace("paper: p4_unet_isbi\n", paper)
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    plans = load_plans(Workflow(scale="full", studies=("with", "without")), folder=tmp_path)
    assert {name: plan.scale for name, plan in plans.items()} == {"with": "paper", "without": "full"}
    command = json.loads(products.report(plans))["options"]["command"]
    assert command == "snakemake --cores 2 --config scale=full studies=with,without"
    assert all(plan.root == Path(f"results/full/{name}/raw") for name, plan in plans.items())


def test_tables_and_figures_can_be_left_out(tmp_path, small):
    text = small + "tables: {t: {kind: time, runs: all}}\nfigures:\nscales: {demo: {tables: {t: omit}}}\n"
    assert parse(tmp_path, text, "demo").tables == {}
    assert list(parse(tmp_path, text).tables) == ["t"]


def test_ensembles_take_no_network_from_the_defaults(tmp_path, small):
    run = parse(tmp_path, small.replace("  c:\n", "  c: {members: [a, b]}\n")).runs["c"]
    assert run.is_ensemble
    assert (run.network, run.loss) == (None, None)


MISTAKES = yaml.safe_load((Path(__file__).parent / "faults.yaml").read_text(encoding="utf-8"))


@mark.parametrize("mistake", MISTAKES["faults"], ids=lambda mistake: mistake["expected"][:50])
def test_fault(mistake, tmp_path, small):
    assert small.count(mistake["change"]) == 1
    found = faults_of(tmp_path, small.replace(mistake["change"], mistake["to"]))
    assert any(fault.startswith(mistake["expected"]) for fault in found), found


def test_one_mistake_in_the_defaults_is_one_fault(tmp_path, small):
    assert len(faults_of(tmp_path, small.replace("epochs: 100", "epochs: -1"))) == 1
    assert len(faults_of(tmp_path, small.replace("channels", "channels").replace("unet,", "unte,"))) == 1


def test_members_without_a_common_seed(tmp_path, small):
    text = small.replace("{label: A}", "{seeds: [1, 2]}").replace("  c:\n", "  c: {members: [a, b]}\n")
    (fault,) = faults_of(tmp_path, text)
    assert fault.startswith(":11 runs.c.members: found members without a common seed (a [1, 2], b [0])")


@mark.parametrize(
    ("run", "expected"),
    [
        ("{members: [a], member_seeds: [1, 1]}", ":11 runs.c.member_seeds: found [1, 1]; expected each seed"),
        (
            "{members: [a], uncertainty: true}",
            ":11 runs.c.uncertainty: found an ensemble of one",
        ),
        (
            "{uncertainty: true}",
            ":11 runs.c.uncertainty: found uncertainty of a trained run",
        ),
        ("{member_seeds: [1]}", ":11 runs.c.member_seeds: found member_seeds of a trained run"),
    ],
)
def test_faults_of_ensembles(tmp_path, small, run, expected):
    (fault,) = faults_of(tmp_path, small.replace("  c:\n", f"  c: {run}\n"))
    assert fault.startswith(expected)


def test_members_of_two_kinds(tmp_path, small):
    softmax = "{network: {name: cnn2d, in_channels: 1}, loss: {name: cross_entropy}, segment: {kind: argmax}}"
    text = small.replace("{label: A}", softmax).replace("  c:\n", "  c: {members: [a, b]}\n")
    found = [fault for fault in faults_of(tmp_path, text) if "runs.c" in fault]
    assert found[0].startswith(":11 runs.c.members: found a (a map for each class) and b (one map)")


def test_a_study_may_only_look(tmp_path, small):
    runs = small[small.index("defaults:") : small.index("  c:\n") + len("  c:\n")]
    found = faults_of(tmp_path, small.replace(runs, ""))
    assert found[0].startswith(" split.kind: found 'column', but no runs; expected 'column', 'random'")
    text = small.replace(runs, "split: {kind: none}\n")
    assert parse(tmp_path, text).runs == {}
    found = faults_of(tmp_path, small + "split: {kind: none}\n")
    assert found[0].startswith(":12 split.kind: found 'none', but runs that are trained")


def test_a_contradiction_in_the_defaults_is_named_at_the_run(tmp_path, small):
    text = small.replace("{name: bce}", "{name: dicebce}")
    found = faults_of(tmp_path, text.replace("{label: A}", "{network: {name: ciresan}}"))
    assert [fault.split(": found")[0] for fault in found] == [":9 runs.a.sampler.kind", ":9 runs.a.loss.name"]


def test_an_unknown_kind_is_one_fault_of_a_plan(tmp_path):
    content = {**mini_study(), "tables": {"a": {"kind": "tiem"}}}
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with raises(ConfigurationError, match=r"tables\.a\.kind: found 'tiem'; expected 'time'\?"):
        load_plans(Workflow(studies=("x",), scale="demo"), folder=tmp_path)


@mark.parametrize("mistake", MISTAKES["scales"], ids=lambda mistake: mistake["scales"][:50])
def test_fault_of_a_scale(mistake, tmp_path, small):
    found = faults_of(tmp_path, f"{small}scales:\n  {mistake['scales']}\n", "demo")
    assert any(fault.startswith(mistake["expected"]) for fault in found), found


def test_a_fault_hidden_by_the_scale_is_found(tmp_path, small):
    text = small.replace("title: t", "title: t\nsplit: {kind: random, gruop_by: sample, sizes: {train: 1}}")
    found = faults_of(tmp_path, f"{text}scales: {{demo: {{split: {{kind: column}}}}}}\n", "demo")
    assert found[0].startswith(":3 split.gruop_by")


def test_an_option_of_another_source_may_stay_below_a_scale(tmp_path, small):
    text = small.replace("source: phantom", "source: phantom, phantom: {size: 64}")
    text += "scales: {local: {data: {source: files, samples: x.tsv}}}\n"
    assert parse(tmp_path, text, "local").data.source == "files"


def test_unknown_study_names_the_nearest(tmp_path, small):
    parse(tmp_path, small)
    with raises(ConfigurationError, match=r"studies: found 'y'; expected one of: x"):
        load_study("y", "demo", folder=tmp_path)


@fixture
def two_studies(tmp_path, monkeypatch):
    """A files study with a faulty sheet, and a study that does not load."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "config/studies"
    folder.mkdir(parents=True)
    content = copy.deepcopy(mini_study())
    content["data"] = {
        "source": "files",
        "samples": "s.tsv",
        "group_by": "block",
        "classes": {"a": 0, "b": 1},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "mini.yaml").write_text(yaml.safe_dump({**mini_study(), "titel": 1}), encoding="utf-8")
    (tmp_path / "s.tsv").write_text("sample\timage\tblock\tpart\na\tnone.png\tb0\tx\n", encoding="utf-8")
    return folder


def test_faults_of_studies_and_sheets_are_listed_together(two_studies):
    text = (two_studies / "own.yaml").read_text(encoding="utf-8") + "patches.sise: 3\n"
    (two_studies / "own.yaml").write_text(text, encoding="utf-8")
    with raises(ConfigurationError) as caught:
        workflow = Workflow(studies=("mini", "own", "other"), scale="demo")
        load_plans(workflow, folder=two_studies.relative_to(two_studies.parent.parent))
    message = str(caught.value)
    for expected in ("titel", "patches.sise", "s.tsv:2 part: found 'x'", "none.png", "found 'other'"):
        assert expected in message


def test_faults_of_the_workflow_come_with_those_of_its_studies(two_studies):
    file = two_studies.parent / "config.yaml"
    file.write_text("scale: demo\nstudies: [own]\ndevise: cpu\n", encoding="utf-8")
    options = {"scale": "demo", "studies": ["own"], "devise": "cpu", "threads": {"train": 0}}
    with raises(ConfigurationError) as caught:
        load_workflow(options, file=str(file), sheet_faults=sheet_faults)
    message = str(caught.value)
    assert f"{file}:3 devise: found unknown option 'devise'; expected 'device'?" in message
    assert "--config threads.train: found 0; expected a number above 0" in message
    assert "s.tsv:2 part" in message


@mark.parametrize(
    ("options", "expected"),
    [
        ({"scale": "huge"}, "--config scale: found 'huge'; expected one of: demo, full, local, paper"),
        ({"scale": "dem"}, "--config scale: found 'dem'; expected 'demo'?"),
        ({"studies": {"x": 1}}, "--config studies: found options (x); expected a list, such as [a, b]"),
        ({"studies": []}, "--config studies: found []; expected at least 1"),
        (
            {"threads": {"trian": 1}},
            "--config threads.trian: found unknown option 'trian'; expected 'train'?",
        ),
        ({"offline": "perhaps"}, "--config offline: found 'perhaps'; expected true or false"),
    ],
)
def test_fault_of_the_workflow(options, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load, "_study_faults", lambda *_: [])
    with raises(ConfigurationError) as caught:
        load_workflow(options)
    assert expected in str(caught.value)


@mark.parametrize("written", ["a,b", "a, b", ["a", "b"], ("a", "b")])
def test_studies_may_be_named_without_a_list(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_workflow({"studies": written}).studies == ("a", "b")
    assert load_workflow({"studies": "mine"}).studies == ("mine",)


def test_the_study_of_a_run_that_is_asked_for_need_not_be_named_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = {"studies": ["membranes", "nuclei"], "study": "melanoma"}
    assert load_workflow(asked).studies == ("membranes", "nuclei", "melanoma")
    assert load_workflow(asked | {"study": "nuclei"}).studies == ("membranes", "nuclei")
    assert load_workflow(asked | {"study": "nowhere"}).studies == ("membranes", "nuclei")


def test_many_faults_of_a_kind_are_told_as_one():
    def rows(count, found="3 channels in 'a/{}.png'", where="s.tsv:{} label"):
        return [Fault(where.format(n), found.format(n), "one channel") for n in range(2, 2 + count)]

    assert grouped(rows(3)) == rows(3)
    (fault,) = grouped(rows(20))
    assert str(fault) == (
        "s.tsv:2 label: found 3 channels in 'a/2.png' (and 19 more, to row 21: 'a/3.png', 'a/4.png', "
        "'a/5.png', …); expected one channel"
    )
    (same,) = grouped(rows(5, "nothing"))
    assert same.found == "nothing (and 4 more, to row 6)"
    assert len(grouped(rows(5, "{} channels in 'a.png'"))) == 5, "numbers differ"
    assert len(grouped([*rows(5), *rows(5, where="s.tsv:{} image")])) == 2, "columns differ"
    assert grouped(rows(9, where="study.yaml runs.{}")) == rows(9, where="study.yaml runs.{}")


def test_importing_the_configuration_is_light():
    code = "import sys, microtome.config.load, microtome.study.load; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    heavy = {"pandas", "torch", "matplotlib", "sklearn", "scipy", "skimage"}
    assert not heavy & set(done.stdout.split())


@mark.parametrize("name", ["benchmarks", "models", "reports", "workflow"])
def test_a_study_is_not_called_like_a_folder_beside_those_of_studies(tmp_path, small, name):
    with raises(ConfigurationError, match=f"found a study called '{name}'; expected another name than"):
        parse(tmp_path, small, name=name)
