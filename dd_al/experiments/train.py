"""How good is the learner when it is trained on all of the data?"""

import time
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp

from dd_al.config.settings import Settings
from dd_al.evaluation import baselines, protocol
from dd_al.experiments import record
from dd_al.io.signals import catch_stop
from dd_al.io.workdir import Workdir
from dd_al.learner.learner import make_learner
from dd_al.models.embedding import tuned_embedding
from dd_al.task.task import make_optimizer, make_task


def run(settings: Settings, workdir: Workdir) -> None:
    """Trains on all of the data from ``evaluate.inits`` initialisations, with frozen and with tuned word vectors."""
    task = make_task(settings, *record.load_dataset(settings, workdir))
    inits, split = settings.evaluate.inits or 10, settings.evaluate.split
    record.note_resumption(workdir)
    tasks, titles = {"full": task}, {"full": "full data", "full_finetuned": "fine-tuned vectors"}
    if settings.full.finetuned:
        # Word vectors are trained, too (Kim 2014, "CNN-non-static"), so that the learner reads token ids.
        model = tuned_embedding(task.learner.model, task.table, task.vectors.trained)
        learner = make_learner(model, make_optimizer(settings.learner))
        tasks["full_finetuned"] = replace(task, learner=learner, embed=jax.tree_util.Partial(jnp.asarray), table=None)
    trained, baselines_s = {}, 0.0
    with catch_stop() as stop:
        for name, own in tasks.items():
            states, how = own.inits("evaluation", inits), {"stop": stop, "title": titles[name]}
            fit = partial(baselines.fit_full, own, settings.full, states, **how)
            trained[name], seconds = baselines.stage(workdir, name, fit)
            baselines_s += seconds
        stop.check()

    start = time.perf_counter()
    methods, full = {}, None
    for name, own in tasks.items():
        one = trained[name]
        score = protocol.evaluate(own, own.learner.model, {name: one.params}, split)[name]
        curve, chosen = record.curve(one.steps, one.accuracy), {"best_steps": one.chosen.tolist()}
        methods[name] = record.entry(split, score, task.classes, full, curve=curve, hyperparameters=chosen)
        full = full or score
    how, budget = {"inits": inits, "init": "random"}, dict.fromkeys(methods, record.given_all(task))
    spent = {"baselines_s": baselines_s, "evaluate_s": time.perf_counter() - start}
    record.finish(workdir, settings, task, evaluate=how, budget=budget, methods=methods, time=spent)
