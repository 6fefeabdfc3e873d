"""What a run would be: its config, its sizes, and from a few steps of each kind its time and memory."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.acquisition import ACQUISITIONS
from dd_al.active.loop import Loop, training_steps
from dd_al.active.seed_sets import Plan, label_counts, plan_of
from dd_al.config.grid import table_rows
from dd_al.config.settings import Settings
from dd_al.config.sweeps import ACTIVE, DISTILLED
from dd_al.core.keys import stream
from dd_al.data.load import load
from dd_al.distillation.optimise import timed_step
from dd_al.distillation.starts import item_shape, number_of_items
from dd_al.evaluation.baselines import at_constant_rate, batches_of, for_each, full_training
from dd_al.experiments.compare.distilled import distillation
from dd_al.experiments.compare.plan import datasets, in_examples, points
from dd_al.task.task import Task, make_task

_STEPS = 10  # that are timed


class Stage(NamedTuple):
    """A part of a run.

    Attributes:
      name: of it.
      what: how much of what.
      seconds: of all of it.
      bytes: that XLA would hold at a time beside its arguments; None where nobody asked.
    """

    name: str
    what: str
    seconds: float
    bytes: int | None = None


def run(settings: Settings) -> None:
    """Prints what there is to know before a run starts; nothing is written."""
    print(json.dumps(dataclasses.asdict(settings), indent=2, ensure_ascii=False))
    for name, one in _parts(settings).items():
        dataset = load(one)
        began = time.perf_counter()
        task = make_task(one, dataset)
        print(f"\n{name}")
        print("\n".join(f"  {line}" for line in _sizes(one, task)))
        stages = [Stage("word vectors and data", "", time.perf_counter() - began), *_stages(settings, name, one, task)]
        _print_stages(stages)


def _parts(settings: Settings) -> dict[str, Settings]:
    """The data sets, or rows, of a config by their names."""
    if settings.experiment == "table":
        return table_rows(settings)
    return datasets(settings) if settings.experiment == "compare" else {settings.data.name: settings}


def _sizes(settings: Settings, task: Task) -> list[str]:
    dataset = task.dataset
    state = jax.eval_shape(task.learner.init, task.key)
    count = sum(math.prod(x.shape) for x in jax.tree.leaves(state.params))
    shape = " × ".join(map(str, task.shape))
    sizes = ", ".join(f"{len(getattr(dataset, split)):,} {split}" for split in ("train", "validation", "test"))
    lines = [
        f"data: {dataset.name} ({dataset.source}), {sizes} {dataset.unit}s, {dataset.num_classes} classes",
        f"learner: {settings.model.kind}, {count:,} parameters, {settings.learner.optimizer}",
        f"an example: {shape} numbers",
    ]
    if settings.experiment in ("distill", "table"):
        items = number_of_items(settings.distill, len(dataset.train), task.classes)
        one = " × ".join(map(str, item_shape(task, settings.distill)))
        lines.append(f"distilled set: {items} items of {one} numbers, {settings.distill.steps} inner steps")
    return lines


def _stages(whole: Settings, name: str, settings: Settings, task: Task) -> Iterator[Stage]:
    """The parts of the run that take time."""
    if whole.experiment == "compare":
        yield from _comparison(whole, name, settings, task)
    elif whole.experiment == "active":
        yield _full(task, settings, len(settings.active.seeds))
        active, train = settings.active, len(task.raw["train"])
        plan = plan_of(replace(active, given=None, start="random") if active.given else active, train)
        yield _active(task, settings, plan, len(active.queries) * len(active.seeds) * (plan.rounds + 1))
    elif whole.experiment in ("distill", "table", "train"):
        inits = settings.evaluate.inits or (3 if settings.distill.init == "known" else 10)
        runs = len(whole.table.seeds) if whole.experiment == "table" else 1
        stages = [_full(task, settings, inits)]
        if whole.experiment != "train":
            items = number_of_items(settings.distill, len(task.dataset.train), task.classes)
            stages += [_subsets(task, settings, items, inits), _distilled(task, settings, items, inits)]
        for stage in stages:
            yield stage._replace(
                what=f"{runs} × {stage.what}" if runs > 1 else stage.what, seconds=runs * stage.seconds
            )
    else:
        yield Stage(f"experiment={whole.experiment}", "is not estimated", float("nan"))


def _timed(function: Callable, *args: Any) -> float:
    """Seconds of a call that is compiled."""
    compiled = jax.jit(function).lower(*args).compile()
    jax.block_until_ready(compiled(*args))
    start = time.perf_counter()
    jax.block_until_ready(compiled(*args))
    return time.perf_counter() - start


def _full(task: Task, settings: Settings, inits: int) -> Stage:
    per_epoch, epochs, init, advance = full_training(task, settings.full)
    total, states, keys = per_epoch * epochs, init(task.inits("evaluation", inits)), jax.random.split(task.key, inits)
    args = task.arrays, np.float32(settings.full.rate), keys, states
    looking = _timed(advance, *args, np.int32(0))
    step = max(_timed(advance, *args, np.int32(_STEPS)) - looking, 0.0) / _STEPS
    return Stage("all data", f"{inits} networks, {total:,} steps", total * step + epochs * looking)


def _subsets(task: Task, settings: Settings, items: int, inits: int) -> Stage:
    random, states = settings.random, task.inits("evaluation", inits)
    batches = for_each(states, jax.tree.map(lambda x: x[0], batches_of(task, np.arange(items)[None])))

    def train(key: jax.Array, states: Any) -> Any:
        return at_constant_rate(task, key, batches, jnp.float32(1e-3), False, _STEPS)(states)

    step = _timed(train, task.key, states) / _STEPS
    schedules, sets = len(random.rates) * len(random.dropout), 1 + len(settings.coreset.methods or ())
    steps = schedules * max(random.steps) * sets
    return Stage("real examples", f"{inits} networks, {schedules} schedules, {sets} choices", steps * step)


def _distilled(task: Task, settings: Settings, items: int, inits: int, *, count: int = 1) -> Stage:
    sets = inits if settings.distill.init == "known" else 1
    timed = timed_step(
        task, settings.distill, items=items, sets=sets, select_inits=settings.evaluate.select_inits, steps=_STEPS
    )
    iterations, looks = settings.distill.iterations, -(-settings.distill.iterations // settings.distill.evaluate_every)
    what = (
        f"{count} × {iterations:,} outer steps at {timed.step:.2g} s, {looks} looks at {timed.look:.2g} s, "
        f"compilation {timed.compile:.0f} s, {items} items"
    )
    seconds = count * (iterations * timed.step + looks * timed.look) + timed.compile
    return Stage("distillation", what, seconds, timed.bytes)


def _active(task: Task, settings: Settings, plan: Plan, rounds: int) -> Stage:
    active = settings.active
    loop = Loop(active, task.learner, jnp.asarray(task.raw["train"]), task.train, task.embed_train, task.classes)
    state = loop.init(stream(task.key, "active"), plan.budget)
    rows = jnp.arange(plan.first)
    state = loop.tell(state, 0, rows, jnp.asarray(task.labels("train"))[rows])
    count = jnp.int32(plan.first)
    training = _timed(loop.fit, state, count, state.learner)
    needs = ACQUISITIONS[active.queries[-1]].needs
    looking = _timed(lambda state, count: loop.look(state, count, needs), state, count)
    what = f"{rounds:,} rounds at {training + looking:.2g} s or more"
    return Stage("active learning", what, rounds * (training + looking))


def _comparison(whole: Settings, name: str, settings: Settings, task: Task) -> Iterator[Stage]:
    """The points of one data set."""
    budgets = in_examples(whole.compare.budgets, len(task.dataset.train), task.classes, name)
    ours = [point for point in points(whole) if point.dataset == name]
    seeds, inits = len(whole.compare.seeds), settings.evaluate.inits or 3
    full = _full(task, settings, inits)
    fits = seeds * len(settings.transfer.full_rates)
    yield full._replace(what=f"{fits} × {full.what}", seconds=fits * full.seconds)
    size, rising = settings.active.query_size(len(task.dataset.train)), list(budgets.values())
    last = [budgets[point.budgets[-1]] for point in ours if point.method in ("random", *ACTIVE)]
    if rounds := sum(len(label_counts(rising[: rising.index(count) + 1], size)) - 1 for count in last):
        yield _active(task, settings, Plan(rising[0], size, 1, rising[-1]), rounds)
    if networks := whole.compare.networks:
        sets = sum(point.method == "full" or whole.compare.transfer_at in point.budgets for point in ours)
        yield Stage("other networks", f"{len(networks)} networks on {sets} sets are not estimated", math.nan)
    real = [budgets[b] for point in ours if point.method not in ("full", *DISTILLED) for b in point.budgets]
    if real:
        yield _real_sets(task, settings, real, inits)
    for budget in dict.fromkeys(b for point in ours if point.method in DISTILLED for b in point.budgets):
        count = sum(point.method in DISTILLED and budget in point.budgets for point in ours)
        one = distillation(settings, "distilled", budgets[budget])
        yield _distilled(task, one, budgets[budget], inits, count=count)._replace(name=f"distillation at {budget}")


def _real_sets(task: Task, settings: Settings, sizes: Sequence[int], inits: int) -> Stage:
    """Training on sets of real examples in every way that is tried for them; see `compare.judge.judge_rows`."""
    size, random, compare = settings.active.batch_size, settings.random, settings.compare
    states = task.inits("evaluation", inits)
    batches = for_each(states, jax.tree.map(lambda x: x[0], batches_of(task, np.arange(size)[None])))

    def train(key: jax.Array, states: Any) -> Any:
        return at_constant_rate(task, key, batches, jnp.float32(1e-3), True, _STEPS)(states)

    step = _timed(train, task.key, states) / _STEPS / size  # for one example
    whole = sum(count for count in sizes if count <= max(size, compare.full_batch))
    whole *= len(random.rates) * len(random.dropout) * max(random.steps)
    parts = sum(training_steps(settings.active, count) for count in sizes if count > size) * size * len(compare.rates)
    return Stage("real examples", f"{len(sizes)} sets, {inits} networks each", (whole + parts) * step)


def _print_stages(stages: list[Stage]) -> None:
    width = max(len(stage.name) for stage in stages)
    device = jax.devices()[0]
    cores = f" with {os.cpu_count()} cores" if device.platform == "cpu" else ""
    print(f"  time on {len(jax.devices())} {device.device_kind}{cores}:")
    for stage in stages:
        shown = f"{stage.seconds:8.0f} s" if math.isfinite(stage.seconds) else "         –"
        print(f"    {stage.name.ljust(width)}  {shown}  {stage.what}")
    total = sum(stage.seconds for stage in stages if math.isfinite(stage.seconds))
    minutes = f"about {max(total / 60, 0.1):.1f} minutes, most compilation apart"
    print(f"    {'together'.ljust(width)}  {total:8.0f} s  {minutes}")
    held = [stage.bytes for stage in stages if stage.bytes]
    if held:
        print(f"  memory: the outer loop holds {max(held) / 1e6:,.0f} MB beside the program itself, by XLA's own count")
