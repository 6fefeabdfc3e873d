"""How good is the learner when it is trained on all of the data?"""

from __future__ import annotations

import time

import jax

from dd_al.config.settings import Settings
from dd_al.core.keys import stream
from dd_al.experiments import record
from dd_al.experiments.baselines import fit_finetuned, fit_full
from dd_al.experiments.task import make_optimizer, make_task
from dd_al.io.metrics import MetricsWriter
from dd_al.io.signals import catch_stop
from dd_al.io.workdir import Workdir


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all of the data from ``evaluate.inits`` initialisations, with frozen and with tuned word vectors."""
    began = time.perf_counter()
    dataset = record.load_dataset(settings, workdir)
    task = make_task(settings, dataset, time.perf_counter() - began)
    inits, split = settings.evaluate.inits or 10, settings.evaluate.split
    if workdir.resumed:
        with MetricsWriter(workdir.metrics, workdir.events) as metrics:
            metrics.resume(0)
    with catch_stop() as stop:
        states = task.inits("evaluation", inits)
        fitted = {"full": (task.learner, task.embed, lambda: fit_full(task, settings.full, states, stop=stop))}
        if settings.full.finetuned:
            optimizer = make_optimizer(settings.learner)
            keys = jax.random.split(stream(task.key, "evaluation"), inits)
            learner, fit = fit_finetuned(task, settings.full, optimizer, keys, stop=stop)
            fitted["full_finetuned"] = (learner, lambda ids: ids, fit)
        trained, fit_s = {}, 0.0
        for name, (learner, embed, fit) in fitted.items():
            result, seconds = record.stage(workdir, name, fit)
            trained[name] = learner, embed, result
            fit_s += seconds
        stop.check()

    start = time.perf_counter()
    methods, full = {}, None
    for name, (learner, embed, result) in trained.items():
        predict = record.predicting(task, learner.model, embed=embed)
        on_validation = predict(result.params, "validation")
        predicted = on_validation if split == "validation" else predict(result.params, split)
        methods[name] = record.method_entry(
            task, split, predicted, on_validation, full, curve=record.curve(result.steps, result.accuracy),
            hyperparameters={"best_steps": result.chosen.tolist()},
        )  # fmt: skip
        full = predicted if full is None else full
    count = len(task.dataset.train)
    everything = {"examples": count, "fraction": 1.0, "labels_used": count, "stored_floats": count * task.numbers}
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": inits, "init": "random"},
        budget=dict.fromkeys(methods, everything),
        methods=methods,
        time={
            "baselines_s": fit_s,
            "evaluate_s": time.perf_counter() - start,
        },
    )
