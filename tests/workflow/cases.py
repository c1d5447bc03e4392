# SPDX-License-Identifier: MIT
"""Changes of a finished workspace, and exactly the jobs that each may run again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from tests.workflow.edits import (
    TVERSKY,
    add_figure,
    add_figure_in_front,
    add_loss,
    add_plugin,
    add_plugin_run,
    add_run,
    add_sample,
    another_order,
    append,
    code,
    comments,
    defaults_spelled_out,
    docstrings,
    edit,
    edit_plugin,
    fresh_checkout,
    old_times,
    option,
    other_machine,
    other_resources,
    reformat,
    remove_run,
    repaint,
    swap_values,
    touch_inputs,
)
from tests.workflow.workspace import Workspace


def listed(text: str) -> frozenset[str]:
    """One job a line; `{a,b}` stands for each of its members. The crate follows the report.

    Example:
        >>> sorted(listed("predict {dice,n4} test-0"))
        ['predict dice test-0', 'predict n4 test-0']
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    jobs = frozenset(job for line in lines for job in _expanded(line))
    return jobs | {"crate"} if "report_page" in jobs else jobs


def _expanded(line: str) -> list[str]:
    pieces = [piece.split(",") for piece in re.split(r"\{([^}]*)\}", line)]
    choices = [piece if number % 2 else [",".join(piece)] for number, piece in enumerate(pieces)]
    return ["".join(chosen) for chosen in product(*choices)]


SHOWN_UNETS = """
    tabulate {comparison,loss}
    draw {curves,panel}
    report_page
"""
"""Tables and figures that show the U-Nets."""

PLUGIN_RUN = """
    train brier
    predict brier test-0
    segment brier test-0
    evaluate brier
    tabulate comparison
    report_page
"""

TVERSKY_RUN = """
    train tversky
    predict tversky test-0
    average mean test-0
    ensemble mean
    segment {tversky,mean} test-0
"""
"""The run with the Tversky loss and the ensemble that it is a member of, up to evaluation."""

MINI = (
    """
    predict {dice,tversky} test-0
    predict_raw n4 {val-0,test-0}
    fit_calibration n4
    calibrate_predictions n4 test-0
    average mean test-0
    segment {dice,tversky,n4,mean} test-0
    evaluate {dice,tversky,n4,mean}
"""
    + SHOWN_UNETS
)
"""All that follows training."""

EVALUATION = "\nevaluate {dice,tversky,n4,mean}\n" + SHOWN_UNETS
OWN_AFTER_TRAINING = "own predict dice test-0 \n own segment dice test-0 \n own evaluate dice"
HE_OBJECTS = """
    he segment {marked,alone} test-0
    he export_objects marked test-0
    he evaluate {marked,alone}
    report_page
"""
HE_TUNED = "\n he predict alone val-0 \n he tune alone"
HE_AFTER_TRAINING = "he predict {marked,alone} test-0" + HE_TUNED + HE_OBJECTS
HE_TRAINING = "he train {marked,alone} \n" + HE_AFTER_TRAINING
"""The study of objects, each of its runs."""

MARKED_OBJECTS = """
    he segment marked test-0
    he export_objects marked test-0
    he evaluate marked
    report_page
"""
MARKED_RUN = "he train marked \n he predict marked test-0" + MARKED_OBJECTS
STAINED = "he fit_stain spcn \n he normalize_stain spcn {train-0,val-0,test-0} \n" + MARKED_RUN
"""The run whose stains are normalized."""

ALL_AFTER_TRAINING = f"{MINI} \n {OWN_AFTER_TRAINING} \n {HE_AFTER_TRAINING}"
TRAINING = (
    "train {dice,tversky,n4} \n ensemble mean"
    + MINI
    + f"own train dice \n {OWN_AFTER_TRAINING} \n {HE_TRAINING}"
)


@dataclass(frozen=True)
class Case:
    """A change and the jobs that it may run again.

    Attributes:
        name: What is changed.
        change: Changes the workspace.
        jobs: One job a line, see `listed`.
    """

    name: str
    change: Callable[[Workspace], None]
    jobs: str


NOTHING = [
    Case("comments", comments, ""),
    Case("docstrings", docstrings, ""),
    Case("reformatted", reformat, ""),
    Case("fresh checkout", fresh_checkout, ""),
    Case("device and threads", other_machine, ""),
    Case("memory and message of a rule", other_resources, ""),
    Case("options in another order", another_order, ""),
    Case("defaults spelled out", defaults_spelled_out, ""),
    Case("touched inputs", touch_inputs, ""),
    Case("code that checks the configuration", code("microtome/config/checks.py"), ""),
    Case("code of the plan", code("microtome/study/plan.py"), ""),
    Case("a module that no run uses", code("microtome/losses/focal.py"), ""),
    Case("a message of jobs", edit("microtome/workflow/job.py", "full: make room", "full: find room"), ""),
    Case("a message of faults", edit("microtome/faults.py", "known: {listing}", "it may be {listing}"), ""),
    Case("another loss in the package", add_loss, ""),
    Case("a plugin that no run uses", add_plugin, ""),
]

CODE = [
    Case("loss", code(TVERSKY), TVERSKY_RUN + EVALUATION),
    Case("loss with an old time", old_times, TVERSKY_RUN + EVALUATION),
    Case(
        "network",
        code("microtome/networks/unet.py"),
        """
        train {dice,tversky}
        predict {dice,tversky} test-0
        average mean test-0
        ensemble mean
        segment {dice,tversky,mean} test-0
        evaluate {dice,tversky,mean}
        own train dice
        """
        + OWN_AFTER_TRAINING
        + SHOWN_UNETS,
    ),
    Case(
        "window network",
        code("microtome/networks/ciresan.py"),
        """
        train n4
        predict_raw n4 {val-0,test-0}
        fit_calibration n4
        calibrate_predictions n4 test-0
        segment n4 test-0
        evaluate n4
        tabulate {comparison,layers}
        report_page
        """,
    ),
    Case("optimizers", code("microtome/training/optimizers.py"), TRAINING),
    Case("prediction", code("microtome/inference/stitching.py"), ALL_AFTER_TRAINING),
    Case(
        "segmentation script",
        code("scripts/segment.py"),
        "segment {dice,tversky,n4,mean} test-0 \n own segment dice test-0 \n own evaluate dice"
        + EVALUATION
        + HE_OBJECTS,
    ),
    Case("metric of membranes", code("microtome/metrics/boundaries.py"), EVALUATION),
    Case(
        "metric of objects",
        code("microtome/metrics/families/instances.py"),
        "he tune alone \n he segment alone test-0 \n he evaluate {marked,alone} \n report_page",
    ),
    Case("stain normalization", code("microtome/stain/spcn.py"), STAINED),
    Case("export of objects", code("microtome/stages/objects.py"), "he export_objects marked test-0"),
    Case("network of objects", code("microtome/networks/usenet.py"), HE_TRAINING),
    Case("one figure", code("microtome/figures/kinds/loss_curves.py"), "draw curves \n report_page"),
    Case("one table", code("microtome/tables/kinds/layers.py"), "tabulate layers \n report_page"),
    Case("description of the results", code("microtome/stages/crate.py"), "crate"),
    Case("template of the report", append("microtome/report/templates/page.html.j2", "\n"), "report_page"),
]

OPTIONS = [
    Case("swapped values", swap_values, TVERSKY_RUN + EVALUATION),
    Case(
        "threshold of a run",
        option("mini", "runs.tversky.segment.threshold", 0.6),
        """
        segment tversky test-0
        evaluate tversky
        tabulate {comparison,loss}
        draw curves
        report_page
        """,
    ),
    Case(
        "median filter of a run",
        option("mini", "runs.n4.calibration.median_radius", 2),
        """
        calibrate_predictions n4 test-0
        segment n4 test-0
        evaluate n4
        tabulate comparison
        report_page
        """,
    ),
    Case(
        "name that is printed",
        option("mini", "runs.tversky.label", "Another name"),
        "tabulate {comparison,loss} \n draw curves \n report_page",
    ),
    Case("thresholds of evaluation", option("mini", "evaluate.thresholds", [0.2, 0.5]), EVALUATION),
    Case("table", option("mini", "tables.loss.title", "Another"), "tabulate loss \n report_page"),
    Case("new figure", add_figure, "draw logarithmic \n report_page"),
    Case("new figure in front", add_figure_in_front, "draw logarithmic \n report_page"),
    Case("title of the study", option("mini", "title", "Another"), "report_page"),
    Case(
        "new run",
        add_run,
        """
        train iou
        predict iou test-0
        segment iou test-0
        evaluate iou
        tabulate comparison
        report_page
        """,
    ),
    Case("run of a plugin", add_plugin_run, PLUGIN_RUN),
    Case("edited plugin", edit_plugin, PLUGIN_RUN),
    Case("run taken away", remove_run, "tabulate comparison \n report_page"),
    Case(
        "patch size",
        option("mini", "patches.size", 48),
        "extract_patches {train-0,val-0} \n train {dice,tversky,n4} \n ensemble mean" + MINI,
    ),
]

OBJECT_OPTIONS = [
    Case("sparsity of stains", option("he", "stains.spcn.train_lambda", 0.05), STAINED),
    Case("target of stains", option("he", "stains.spcn.target", "tile-001"), STAINED),
    Case("stain of a run taken away", option("he", "runs.marked.stain", None), MARKED_RUN),
    Case("copies of a run", option("he", "runs.marked.sampler.copies", 2), MARKED_RUN),
    Case(
        "values that are tuned",
        option("he", "runs.alone.tune.values.mask_threshold", [0.05, 0.2]),
        """
        he tune alone
        he segment alone test-0
        he evaluate alone
        report_page
        """,
    ),
    Case("threshold of markers", option("he", "runs.marked.segment.marker_threshold", 0.2), MARKED_OBJECTS),
    Case(
        "stain of another run",
        option("he", "runs.alone.stain", "spcn"),
        """
        he train alone
        he predict alone {val-0,test-0}
        he tune alone
        he segment alone test-0
        he evaluate alone
        report_page
        """,
    ),
    Case(
        "radius of centre markers",
        option("he", "targets.centre_radius", 2),
        """
        he rasterize_targets {train-0,val-0,test-0}
        he extract_patches {train-0,val-0}
        """
        + HE_TRAINING,
    ),
]

DATA = [
    Case(
        "published values",
        append("config/published.yaml", "added_by_a_test: 1\n"),
        "tabulate {comparison,loss,layers} \n draw {curves,panel} \n report_page",
    ),
    Case(
        "slice of the phantom",
        option("mini", "data.phantom.slices.test", 2),
        """
        simulate
        write_sheet
        split
        import_images {train-0,val-0,test-0}
        rasterize_targets {train-0,val-0,test-0}
        extract_patches {train-0,val-0}
        train {dice,tversky,n4}
        ensemble mean
        """
        + MINI,
    ),
    Case(
        "training image",
        repaint("image-0.png"),
        "own import_images train-0 \n own train dice \n report_page \n" + OWN_AFTER_TRAINING,
    ),
    Case(
        "training label",
        repaint("label-1.png"),
        """
        own rasterize_targets train-0
        own extract_patches train-0
        own train dice
        report_page
        """
        + OWN_AFTER_TRAINING,
    ),
    Case(
        "test label",
        repaint("label-3.png"),
        "own rasterize_targets test-0 \n own evaluate dice \n report_page",
    ),
    Case(
        "new test sample",
        add_sample("test"),
        """
        own {write_sheet,split}
        own {import_images,rasterize_targets} test-0
        report_page
        """
        + OWN_AFTER_TRAINING,
    ),
    Case(
        "new training sample",
        add_sample("train"),
        """
        own {write_sheet,split}
        own {import_images,rasterize_targets,extract_patches} train-0
        own train dice
        report_page
        """
        + OWN_AFTER_TRAINING,
    ),
]

CASES = [*NOTHING, *CODE, *OPTIONS, *OBJECT_OPTIONS, *DATA]
