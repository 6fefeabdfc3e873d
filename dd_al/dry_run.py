"""What a run would be: its config, its sizes, and from a few steps of each kind its time and memory."""

import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.active.acquisition import ACQUISITIONS
from dd_al.active.loop import Loop
from dd_al.active.oracle import plan_of
from dd_al.config.grid import table_rows
from dd_al.config.settings import Settings
from dd_al.core.keys import stream
from dd_al.data.load import load
from dd_al.distillation.optimise import compiled, compiler_options, problem_of
from dd_al.distillation.outer_loop import OuterLoop
from dd_al.distillation.starts import item_shape, number_of_items, starting_sets
from dd_al.evaluation.baselines import at_constant_rate, batch_of, for_each, full_training
from dd_al.experiments.compare.plan import datasets
from dd_al.task.task import Task, make_task

_STEPS = 10  # that are timed


class Stage(NamedTuple):
    """A part of a run: how much of what, its seconds, and the bytes that XLA would hold; None where nobody asked."""

    name: str
    what: str
    seconds: float
    bytes: int | None = None


def run(settings: Settings) -> None:
    """Prints what there is to know before a run starts; nothing is written."""
    print(json.dumps(dataclasses.asdict(settings), indent=2, ensure_ascii=False))
    parts = {settings.data.name: settings}
    if settings.experiment in ("table", "compare"):
        parts = table_rows(settings) if settings.experiment == "table" else datasets(settings)
    for name, one in parts.items():
        dataset = load(one)
        began = time.perf_counter()
        task = make_task(one, dataset)
        read = Stage("word vectors and data", "", time.perf_counter() - began)
        print(f"\n{name}")
        _print_sizes(one, task)
        _print_stages([read, *_stages(settings.experiment, one, task)])


def _print_sizes(settings: Settings, task: Task) -> None:
    dataset, shape = task.dataset, " × ".join(map(str, task.shape))
    state = jax.eval_shape(task.learner.init, task.key)
    count = sum(math.prod(x.shape) for x in jax.tree.leaves(state.params))
    sizes = ", ".join(f"{len(getattr(dataset, split)):,} {split}" for split in ("train", "validation", "test"))
    print(f"  data: {dataset.name} ({dataset.source}), {sizes} {dataset.unit}s, {dataset.num_classes} classes")
    print(f"  learner: {settings.model.kind}, {count:,} parameters, {settings.learner.optimizer}")
    print(f"  an example: {shape} numbers")
    if settings.experiment in ("distill", "table"):
        items = number_of_items(settings.distill, len(dataset.train), task.classes)
        one = " × ".join(map(str, item_shape(task, settings.distill)))
        print(f"  distilled set: {items} items of {one} numbers, {settings.distill.steps} inner steps")


def _stages(experiment: str, settings: Settings, task: Task) -> Iterator[Stage]:
    """The parts of the run that take time."""
    if experiment == "active":
        yield _full(task, settings, len(settings.active.seeds))
        yield _active(task, settings)
    elif experiment in ("distill", "train"):
        inits = settings.evaluate.inits or (3 if settings.distill.init == "known" else 10)
        yield _full(task, settings, inits)
        if experiment == "distill":
            items = number_of_items(settings.distill, len(task.dataset.train), task.classes)
            yield _subsets(task, settings, items, inits)
            yield _distilled(task, settings, items, inits)
    else:
        yield Stage(f"experiment={experiment}", "is not estimated", math.nan)


def _timed(function: Callable, *args: Any) -> float:
    """Seconds of a call that is compiled."""
    program = jax.jit(function).lower(*args).compile()
    jax.block_until_ready(program(*args))
    start = time.perf_counter()
    jax.block_until_ready(program(*args))
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
    batches = for_each(states, batch_of(task, np.arange(items)))

    def train(key: jax.Array, states: Any) -> Any:
        return at_constant_rate(task, key, batches, jnp.float32(1e-3), False, _STEPS)(states)

    step = _timed(train, task.key, states) / _STEPS
    schedules, sets = len(random.rates) * len(random.dropout), 1 + len(settings.coreset.methods or ())
    what = f"{inits} networks, {schedules} schedules, {sets} choices"
    return Stage("real examples", what, schedules * max(random.steps) * sets * step)


def _distilled(task: Task, settings: Settings, items: int, inits: int) -> Stage:
    """Takes a few steps of the outer loop from the first start that comes."""
    distill, sets = settings.distill, inits if settings.distill.init == "known" else 1
    synthetic, _ = starting_sets(task, dataclasses.replace(distill, candidates=1), items, sets)
    loop = OuterLoop(problem_of(task, distill, sets), distill, sets, settings.evaluate.select_inits)
    arguments = task.key, task.arrays, loop.init(synthetic)
    program, compile_s = compiled(loop, arguments, compiler_options(task, quick=False))

    def seconds(until: int, look: bool) -> float:
        start = time.perf_counter()
        jax.block_until_ready(program(*arguments, until, look))
        return time.perf_counter() - start

    seconds(1, True)
    step = seconds(_STEPS, False) / _STEPS
    look = max(seconds(1, True) - step, 0.0)
    memory = program.memory_analysis()  # None where XLA does not say
    held = memory and memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    looks = -(-distill.iterations // distill.evaluate_every)
    what = (
        f"{distill.iterations:,} outer steps at {step:.2g} s, {looks} looks at {look:.2g} s, "
        f"compilation {compile_s:.0f} s, {items} items"
    )
    return Stage("distillation", what, distill.iterations * step + looks * look + compile_s, held or None)


def _active(task: Task, settings: Settings) -> Stage:
    active, plan = settings.active, plan_of(settings.active, len(task.raw["train"]))
    loop, rounds = Loop.over(task, active), len(active.queries) * len(active.seeds) * (plan.rounds + 1)
    state = loop.init(stream(task.key, "active"), plan.budget)
    rows = jnp.arange(plan.first)
    state = loop.tell(state, 0, rows, jnp.asarray(task.labels("train"))[rows])
    count = jnp.int32(plan.first)
    training = _timed(loop.fit, state, count, state.learner)
    needs = ACQUISITIONS[active.queries[-1]].needs
    looking = _timed(lambda state, count: loop.look(state, count, needs), state, count)
    what = f"{rounds:,} rounds at {training + looking:.2g} s or more"
    return Stage("active learning", what, rounds * (training + looking))


def _print_stages(stages: list[Stage]) -> None:
    width, device = max(len(stage.name) for stage in stages), jax.devices()[0]
    cores = f" with {os.cpu_count()} cores" if device.platform == "cpu" else ""
    print(f"  time on {len(jax.devices())} {device.device_kind}{cores}:")
    for stage in stages:
        shown = f"{stage.seconds:8.0f} s" if math.isfinite(stage.seconds) else "         –"
        print(f"    {stage.name.ljust(width)}  {shown}  {stage.what}")
    total = sum(stage.seconds for stage in stages if math.isfinite(stage.seconds))
    minutes = f"about {max(total / 60, 0.1):.1f} minutes, most compilation apart"
    print(f"    {'together'.ljust(width)}  {total:8.0f} s  {minutes}")
    if held := max((stage.bytes or 0 for stage in stages), default=0):
        print(f"  memory: the outer loop holds {held / 1e6:,.0f} MB beside the program itself, by XLA's own count")
