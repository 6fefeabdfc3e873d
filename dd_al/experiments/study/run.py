"""What do sets distilled for one network, or for several, do for each of them? And what along the values of a key?"""

from __future__ import annotations

import logging
import time

from dd_al.config.grid import curves
from dd_al.config.settings import Settings
from dd_al.core.files import read_json, write_json
from dd_al.distillation.starts import number_of_items
from dd_al.experiments import record
from dd_al.experiments.study.judges import pictures, tables
from dd_al.experiments.study.sets import in_plane, judges, train_all
from dd_al.io.workdir import Workdir
from dd_al.task.task import make_learners, make_task

_LOG = logging.getLogger(__name__)


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all data, distils every row and point, tries the sets on the networks, and reports."""
    began = time.perf_counter()
    dataset = record.load_dataset(settings, workdir)
    task = make_task(settings, dataset, time.perf_counter() - began)
    names = settings.study.networks or (settings.model.kind,)
    learners = make_learners(settings, names, task.shape, task.classes)
    lines = curves(settings)
    for point in (settings, *(point for values in lines.values() for point in values.values())):
        number_of_items(point.distill, len(dataset.train), task.classes)  # mistakes are not to be found after hours
    clock = workdir.checkpoints / "seconds.json"  # of all starts; stages that run side by side have more in sum
    earlier = read_json(clock)["seconds"] if clock.exists() else 0.0
    try:
        full, rows, points, seconds = train_all(task, learners, settings, lines, workdir)
    finally:
        clock.parent.mkdir(exist_ok=True)
        write_json(clock, {"seconds": (spent := earlier + time.perf_counter() - began)})
    _LOG.info("training networks on the distilled sets, and testing")
    start = time.perf_counter()
    methods, budget, study = tables(task, learners, settings, full, rows, lines, points)
    if in_plane(task) and rows:
        study |= pictures(task, learners, settings, rows, workdir)
    seconds["evaluate_s"] = time.perf_counter() - start
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": judges(settings), "init": "known" if settings.distill.init == "known" else "random"},
        budget=budget,
        methods=methods,
        study=study,
        time=seconds,
        total_s=spent + seconds["evaluate_s"],
    )
