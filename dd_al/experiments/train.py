"""How good is the learner when it is trained on all of the data?"""

from __future__ import annotations

import time

import jax

from dd_al.config.settings import Settings
from dd_al.core.keys import stream
from dd_al.evaluation.baselines import fit_finetuned, fit_full, stage
from dd_al.evaluation.protocol import evaluate
from dd_al.experiments import record
from dd_al.io.metrics import MetricsWriter
from dd_al.io.signals import catch_stop
from dd_al.io.workdir import Workdir
from dd_al.task.task import make_optimizer, make_task


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
        fits = {"full": (task.learner, None, lambda: fit_full(task, settings.full, states, stop=stop))}
        if settings.full.finetuned:
            optimizer = make_optimizer(settings.learner)
            keys = jax.random.split(stream(task.key, "evaluation"), inits)
            fits["full_finetuned"] = (*fit_finetuned(task, settings.full, optimizer, keys, stop=stop),)
        trained = {name: stage(workdir, name, fit) for name, (_, _, fit) in fits.items()}
        stop.check()

    start = time.perf_counter()
    methods, full = {}, None
    for name, (learner, embed, _) in fits.items():
        one = trained[name][0]
        score = evaluate(task, learner.model, {name: one.params}, split, embed=embed)[name]
        curve = record.curve(one.steps, one.accuracy)
        chosen = {"best_steps": one.chosen.tolist()}
        methods[name] = record.entry(split, score, task.classes, full, curve=curve, hyperparameters=chosen)
        full = full or score
    record.finish(
        workdir,
        settings,
        task,
        evaluate={"inits": inits, "init": "random"},
        budget=dict.fromkeys(methods, record.given_all(task)),
        methods=methods,
        time={
            "baselines_s": sum(seconds for _, seconds in trained.values()),
            "evaluate_s": time.perf_counter() - start,
        },
    )
