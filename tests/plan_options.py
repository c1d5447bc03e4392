# SPDX-License-Identifier: MIT
"""Options of a study, each with another value and the jobs whose state changes with it."""

RUN = "runs__tversky__"
WINDOWS = "runs__n4__"
PRODUCTS = "tabulate {comparison,loss,layers} \n draw {curves,panel}"
ENTRIES = f"{PRODUCTS} \n report_page"
RUNS = "{dice,tversky,n4,mean}"
ALL_EVALUATED = f"{{evaluate,evaluate_applied}} {RUNS}"
APPLIED = f"apply {RUNS}"
AT_WILL = "apply,evaluate_applied,export_run,export_objects"
BATCHES = "{train-0,val-0,test-0}"

RUN_OPTIONS: dict[str, tuple[object, str]] = {
    RUN + "network__width": (4, "train tversky \n predict tversky \n apply {tversky,mean}"),
    RUN + "network__variant": ("classic", "train tversky \n predict tversky \n apply {tversky,mean}"),
    RUN + "loss__alpha": (0.5, f"train tversky \n {ALL_EVALUATED}"),
    RUN + "input__mean": (0.4, "train tversky \n predict tversky \n apply {tversky,mean}"),
    RUN + "sampler": ({"kind": "patches", "repeats": 3}, "train tversky"),
    RUN + "augment__rotate90": (0.5, "train tversky"),
    RUN + "augment__low_resolution": (0.5, "train tversky"),
    RUN + "augment__gamma_probability": (0.3, "train tversky"),
    RUN + "augment__margin": (True, "train tversky"),
    RUN + "augment__target_fill": ("ignore", "train tversky"),
    RUN + "augment__intensity_clip": ("bright", "train tversky"),
    RUN + "learn": ({"share": 0.2}, "train tversky"),
    RUN + "learn__fill": ("cell", "train tversky"),
    RUN + "training__epochs": (7, "train tversky"),
    RUN + "training__select": ({"metric": "dice", "class": "cell"}, "train tversky"),
    RUN + "training__select__weights": ("ema", "train tversky"),
    RUN + "training__deterministic": (False, "train tversky"),
    RUN + "training__compile": (True, "train tversky"),
    RUN + "training__optimizer__lr": (0.5, "train tversky"),
    RUN + "predict__overlap": (0.25, "predict tversky \n apply {tversky,mean}"),
    RUN + "predict__tta": (True, "predict tversky \n apply {tversky,mean}"),
    RUN + "segment__threshold": (0.7, "segment tversky \n apply tversky"),
    RUN + "tune": (
        {"metric": "dice", "class": "cell", "values": {"threshold": [0.3]}},
        "{tune,segment,apply} tversky",
    ),
    WINDOWS + "window__foveate": (True, "train n4 \n predict n4 \n apply n4"),
    WINDOWS + "calibration__kind": ("temperature", "fit n4 \n calibrate n4 \n apply n4"),
    WINDOWS + "calibration__bins": (99, "fit n4"),
    WINDOWS + "calibration__pooled": (["n4"], "fit n4"),
    WINDOWS + "calibration__median_radius": (5, "calibrate n4 \n apply n4"),
    WINDOWS + "segment__threshold": (0.7, "segment n4 \n apply n4"),
    "runs__mean__members": (["dice", "n4"], "{average,uncertainty,ensemble,apply} mean"),
    "runs__mean__member_seeds": ([0, 3], "{average,uncertainty,ensemble,apply} mean"),
    "runs__mean__uncertainty": (True, "apply mean"),
    "runs__mean__segment__threshold": (0.7, "segment mean \n apply mean"),
}
"""Options of a run: a new value, and the jobs whose state changes with it, beside those that export it."""

LABELS: dict[str, tuple[object, str]] = {
    RUN + "label": ("New", "tabulate {comparison,loss} \n draw curves \n report_page"),
    WINDOWS + "label": ("New", "tabulate comparison \n report_page"),
    "runs__mean__label": ("New", "tabulate comparison \n report_page"),
}
"""What is printed changes what prints it, and retrains nothing."""

STUDY_OPTIONS: dict[str, tuple[object, str]] = {
    "title": ("New", "report_page"),
    "paper": ("p3_usenet", f"{ENTRIES} \n export_run {RUNS}"),
    "patches__size": (48, f"extract_patches {BATCHES}"),
    "patches__stride": (16, f"extract_patches {BATCHES}"),
    "patches__labelled": (0.01, f"extract_patches {BATCHES}"),
    "data__ignore": ([7], f"rasterize_targets {BATCHES} \n evaluate_applied {RUNS}"),
    "targets__outside": ("cell", f"rasterize_targets {BATCHES} \n evaluate_applied {RUNS}"),
    "targets__order": ("file", f"rasterize_targets {BATCHES} \n evaluate_applied {RUNS}"),
    "data__classes": (
        {"membrane": 0, "cell": 1},
        f"rasterize_targets {BATCHES} \n evaluate_applied {RUNS}",
    ),
    "data__mpp": (0.5, f"{APPLIED} \n export_objects {RUNS}"),
    "data__downsample": (
        2,
        f"{{import_images,rasterize_targets}} {BATCHES} \n {APPLIED} \n "
        f"{{evaluate_applied,export_objects}} {RUNS}",
    ),
    "data__phantom__seed": (1, "simulate"),
    "data__phantom__size": (96, "simulate"),
    "data__phantom__difficulty": (2.0, "simulate"),
    "evaluate__thresholds": ([0.5], ALL_EVALUATED),
    "evaluate__metrics": (["overlap", "boundaries", "losses"], ALL_EVALUATED),
    "evaluate__betas": ([1.5], ALL_EVALUATED),
    "evaluate__mean_classes": (["cell"], f"{ALL_EVALUATED} \n {PRODUCTS}"),
    "evaluate__losses": (["dice", "tversky", "bce"], ALL_EVALUATED),
    "evaluate__rank_by": ("v_rand", "report_page"),
    "report__what": ("Cells", "report_page"),
    "report__samples": ("slices", "report_page"),
    "report__table": ("loss", "report_page"),
    "report__figure": ("panel", "report_page"),
    "report__metric": ("v_info", "report_page"),
    "report": ({"metric": "mean_dice", "pooled": True}, "report_page"),
    "tables__loss__title": ("New", "tabulate loss \n report_page"),
    "tables__loss__metric": ("loss_dice", "tabulate loss"),
    "tables__loss__runs": (["dice"], "tabulate loss"),
    "figures__panel__threshold": (0.3, "draw panel"),
    "figures__curves__logarithmic": (True, "draw curves"),
}
"""Options of the study beside its runs."""

OPTIONS = RUN_OPTIONS | LABELS | STUDY_OPTIONS

MARKED = "runs__marked__"
ALONE = "runs__alone__"
SPCN = "stains__spcn__"
OBJECT_RUNS = "{marked,alone,other,both}"
FITTED = "{fit_stain,normalize_stain} spcn \n apply {marked,both}"
OBJECT_OPTIONS: dict[str, tuple[object, str]] = {
    MARKED + "stain": ("reinhard", "train marked \n apply {marked,both}"),
    MARKED + "network__encoder": ("resnet34", "train marked \n predict marked \n apply {marked,both}"),
    MARKED + "loss__weight": (0.25, "train marked"),
    MARKED + "input__zoom": (0.5, "train marked \n predict marked \n apply {marked,both}"),
    MARKED + "sampler__copies": (2, "train marked"),
    MARKED + "sampler__holdout": (0.5, "train marked"),
    MARKED + "sampler__split_by": ("source", "train marked"),
    MARKED + "augment__border": ("zero", "train marked"),
    MARKED + "augment__target_rounding": ("floor", "train marked"),
    MARKED + "augment__stain": (0.1, "train marked"),
    MARKED + "segment__marker_threshold": (0.5, "segment marked \n apply marked"),
    ALONE + "outputs": (["mask", "centre_marker"], "{train,predict} alone \n apply alone"),
    ALONE + "segment__markers": ("distance", "segment alone \n apply alone"),
    "runs__both__segment__min_object_area": (9, "segment both \n apply both"),
}
"""The same of runs of objects."""

OBJECT_STUDY_OPTIONS: dict[str, tuple[object, str]] = {
    SPCN + "method": ("macenko", FITTED),
    SPCN + "preset": ("authors", FITTED),
    SPCN + "train_lambda": (0.05, FITTED),
    SPCN + "encode_lambda": (0.05, FITTED),
    SPCN + "luminosity": (0.8, FITTED),
    SPCN + "percentile": (95.0, FITTED),
    SPCN + "percentile_over": ("tissue", FITTED),
    SPCN + "max_gain": (None, FITTED),
    SPCN + "max_iterations": (7, FITTED),
    SPCN + "tolerance": (0.1, FITTED),
    SPCN + "subsample": (500, FITTED),
    SPCN + "seed": (3, FITTED),
    SPCN + "density": ("floor", FITTED),
    SPCN + "order": ("red", FITTED),
    SPCN + "rounding": ("truncate", FITTED),
    SPCN + "exclude_black": (False, FITTED),
    SPCN + "exclude_ink": (False, FITTED),
    SPCN + "unit_rows": (False, FITTED),
    SPCN + "fallback": ("error", FITTED),
    SPCN + "target": ("tile-001", "fit_stain spcn"),
    "targets__convention": ("matlab", f"rasterize_targets {BATCHES} \n evaluate_applied {OBJECT_RUNS}"),
    "targets__marker_element": ("disk", f"rasterize_targets {BATCHES} \n evaluate_applied {OBJECT_RUNS}"),
    "targets__features": (
        {"regions": "keep"},
        f"rasterize_targets {BATCHES} \n evaluate_applied {OBJECT_RUNS}",
    ),
    "targets__gap": (2, f"rasterize_targets {BATCHES} \n evaluate_applied {OBJECT_RUNS}"),
    "targets__centre_radius": (2, f"rasterize_targets {BATCHES} \n evaluate_applied {OBJECT_RUNS}"),
    "outlines__tolerance": (1.0, f"apply {OBJECT_RUNS} \n export_objects {OBJECT_RUNS}"),
    "evaluate__metrics": (["instances"], f"{{evaluate,evaluate_applied}} {OBJECT_RUNS}"),
    "evaluate__tolerance": (1.0, f"{{evaluate,evaluate_applied}} {OBJECT_RUNS}"),
    "data__mpp": (0.5, f"apply {OBJECT_RUNS} \n export_objects {OBJECT_RUNS}"),
    "data__phantom__seed": (1, "simulate"),
    "data__phantom__size": (96, "simulate"),
    "data__phantom__difficulty": (2.0, "simulate"),
    "data__phantom__touching": (0.1, "simulate"),
    "data__phantom__concentrations": (True, "simulate"),
}
