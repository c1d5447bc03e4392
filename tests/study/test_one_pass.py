# SPDX-License-Identifier: MIT
"""One load looks at each thing once: the sheet, the splits, the files, the study file at each scale."""

from collections import Counter
from pathlib import Path

import yaml
from PIL import Image
from pytest import MonkeyPatch

from microtome.config import load as config_load
from microtome.config.workflow import Workflow
from microtome.study import load, splits
from tests.workflow.workspace import own_study


def test_a_load_looks_once(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config/studies").mkdir(parents=True)
    Path("data/own").mkdir(parents=True)
    Path("config/studies/own.yaml").write_text(yaml.safe_dump(own_study()), encoding="utf-8")
    rows = ["sample\timage\tlabel\tblock\tpart"]
    for part in ("train", "val", "test"):
        rows.append(f"{part}\t{part}.png\t{part}-label.png\t{part}\t{part}")
        for name in (part, f"{part}-label"):
            Image.new("L", (64, 64)).save(f"data/own/{name}.png")
    Path("data/own/samples.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    calls: Counter[str] = Counter()

    def count(module: object, name: str) -> None:
        function = getattr(module, name)

        def counted(*arguments: object, **options: object) -> object:
            calls[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    for module, name in ((load, "inspect_sheet"), (load, "check_files"), (splits, "make_splits")):
        count(module, name)
    count(config_load.yaml, "read")
    count(config_load, "check_study")
    assert load.load_plans(Workflow(studies=("own",)))["own"].splits["main"]["val"] == "val"
    scales = len(config_load.SCALES) - 1  # `full` and `paper` are one
    assert calls == {"inspect_sheet": 1, "check_files": 1, "make_splits": 1, "read": 1, "check_study": scales}
