# SPDX-License-Identifier: MIT
"""What metrics are called in tables, figures and the report: the one mapping from names in files to words."""

import re

ALL_CLASSES = "all"
"""What metrics of an image, which are of no class, have in the column `class`."""
NAMES = {
    "accuracy": "accuracy",
    "ace": "ACE",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "area": "area",
    "aurc": "AURC",
    "border_dice_logit": "Dice of the border, logit > 0.5",
    "boundary_f": "boundary F",
    "brier": "Brier score",
    "dice": "Dice",
    "dq": "DQ",
    "ece": "ECE",
    "false_positive_rate": "false positive rate",
    "fn": "false negative pixels",
    "fnr": "false negative rate",
    "fp": "false positive pixels",
    "fpr": "false positive rate",
    "hd95": "HD95, pixels",
    "hd95_um": "HD95, µm",
    "iou": "IoU",
    "iou_sum": "sum of IoU",
    "least_area": "least area",
    "loss": "loss",
    "mce": "MCE",
    "mean_iou": "mIoU",
    "mm2_labelled": "labelled area, mm²",
    "mm2_unlabelled": "area without labels, mm²",
    "mpq": "mPQ",
    "nll": "NLL, nat",
    "object_f1": "object F1",
    "pixel_error": "pixel error",
    "pixel_error_best": "pixel error at the best threshold",
    "pixel_error_logit": "pixel error, logit > 0.5",
    "pq": "PQ",
    "pq_plus": "PQ+",
    "predicted_objects": "found objects",
    "regions_per_mm2": "regions per mm²",
    "section_accuracy": "accuracy of sections",
    "sections_fn": "missed sections",
    "sections_fp": "false positive sections",
    "sections_tn": "true negative sections",
    "sections_tp": "true positive sections",
    "small_region_share": "share of small regions",
    "sq": "SQ",
    "surface_distance": "average surface distance, pixels",
    "surface_distance_um": "average surface distance, µm",
    "tn": "true negative pixels",
    "tnr": "true negative rate",
    "tp": "true positive pixels",
    "tpr": "true positive rate",
    "truth_objects": "true objects",
    "v_info": "V_Info",
    "v_info_tenths": "V_Info, thresholds in steps of 0.1",
    "v_rand": "V_Rand",
    "v_rand_tenths": "V_Rand, thresholds in steps of 0.1",
}
"""Those that are not their names with blanks, or that others are made of."""
PREFIXES = {
    "loss_": "{} loss",
    "mean_": "mean {}",
    "pixels@": "pixels taken for {}",
    "bin_pixels@": "pixels in bin {} of the probability",
    "bin_hits@": "true pixels in bin {} of the probability",
    "bin_confidence@": "sum of probabilities in bin {}",
    "full_": "{}, against complete labels",
    "truth_": "{}, of the labels",
}
SUFFIXES = {
    "_segmentation": "{} of the segmentation",
    "_threshold": "threshold of {}",
    "_unlabelled": "{}, where nothing is labelled",
    "_labelled": "{}, where labels are",
}
SYMBOLS = {"v_rand": r"$V_{\mathrm{Rand}}$", "v_info": r"$V_{\mathrm{Info}}$"}
"""Those that are set as mathematics where that is possible."""


def metric_name(metric: str, class_name: str = ALL_CLASSES) -> str:
    """What is printed for a metric, within a sentence or as a heading.

    Args:
        metric: Its name in ``metrics.tsv``.
        class_name: The class that it is of.

    Returns:
        Words; a name that is not known is written with blanks.

    Example:
        >>> metric_name("dice", "cell"), metric_name("mean_f1.5"), metric_name("v_rand@0.5")
        ('Dice of cell', 'mean F1.5', 'V_Rand at a threshold of 0.5')
        >>> metric_name("mean_dice"), metric_name("section_accuracy"), metric_name("aji")
        ('mean Dice', 'accuracy of sections', 'AJI')
    """
    plain = _plain(metric)
    return plain if class_name == ALL_CLASSES else f"{plain} of {class_name}"


def rate_name(metric: str) -> str:
    """The same with a capital, as at the head of a row.

    Example:
        >>> rate_name("dice"), rate_name("sensitivity"), rate_name("iou")
        ('Dice', 'Sensitivity', 'IoU')
    """
    name = metric_name(metric)
    return name[:1].upper() + name[1:]


def symbol(metric: str) -> str:
    r"""A metric as mathematics (mathtext) where it has a symbol, else its name.

    Example:
        >>> symbol("v_rand"), symbol("aji")
        ('$V_{\\mathrm{Rand}}$', 'AJI')
    """
    return SYMBOLS.get(metric, metric_name(metric))


def _plain(metric: str) -> str:
    if metric in NAMES:
        return NAMES[metric]
    for prefix, form in PREFIXES.items():
        if metric.startswith(prefix):
            return form.format(_plain(metric.removeprefix(prefix)))
    name, _, threshold = metric.partition("@")
    if threshold:
        return f"{_plain(name)} at a threshold of {threshold}"
    for suffix, form in SUFFIXES.items():
        if metric.endswith(suffix):
            return form.format(_plain(metric.removesuffix(suffix)))
    return re.sub(r"(^| )f(?=\d)", r"\1F", metric.replace("_", " "))
