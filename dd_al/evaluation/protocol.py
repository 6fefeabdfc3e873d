"""The evaluation protocol: trained learners answer validation and, once, the split that is judged.

Every score of a run, a comparison or a study comes from this module, which alone reads the test examples of a task.
Learners that are judged began at initialisations that no training step saw; whatever was chosen (a step, a rate, a
schedule) was chosen on validation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.keys import generator
from dd_al.learner.examples import Examples, whole
from dd_al.learner.predict import predict
from dd_al.models.base import Model, Params
from dd_al.task.task import Task

_MOST = 1000  # members, and others, that `membership` compares


@dataclass(frozen=True, eq=False)
class Score:
    """The answers of a method's learners on a split, beside the truth.

    Attributes:
      predicted: ``int32[learners, n]``, the classes that they answer.
      truth: ``int32[n]``.
      validation: ``float64[learners]``, their accuracy on validation; None where nobody asked.
    """

    predicted: np.ndarray
    truth: np.ndarray
    validation: np.ndarray | None = None

    @property
    def correct(self) -> np.ndarray:
        """Which answers are right, ``bool[learners, n]``."""
        return self.predicted == self.truth


def evaluate(
    task: Task, model: Model, methods: Mapping[str, Params], split: str, *, validation: bool = True
) -> dict[str, Score]:
    """Asks the learners of several methods, which share a network, for the classes of validation and of a split.

    They answer in one program, which is compiled once for a network, a number of learners and a size of the split: that
    is "test", or "validation" while developing. Each method has its parameters, stacked over learners.
    """
    together = jax.tree.map(lambda *leaves: np.concatenate(leaves), *methods.values())
    ends = np.cumsum([jax.tree.leaves(one)[0].shape[0] for one in methods.values()])[:-1]

    def ask(split: str) -> list[np.ndarray]:
        predicted = np.argmax(np.asarray(_answer(model, together, task.examples(split), task.embed)), -1)
        return np.split(predicted.astype(np.int32), ends)

    judged, reached = ask(split), [None] * len(methods)
    if validation:
        answers = judged if split == "validation" else ask("validation")
        reached = [(one == task.labels("validation")).mean(1) for one in answers]
    return {name: Score(one, task.labels(split), score) for name, one, score in zip(methods, judged, reached)}


@partial(jax.jit, static_argnums=0)
def _answer(model: Model, params: Params, examples: Examples, embed: Callable[[jax.Array], Any]) -> jax.Array:
    """Logits. The examples are an argument: XLA would fold constants into the program for seconds."""
    return predict(model, params, examples, embed)


def membership(task: Task, params: Params, rows: np.ndarray, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses of stacked learners on examples behind them and on others, ``float32[learners, n]`` each.

    In the attack of Yeom et al. 2018 (arXiv 1709.01604, section 3.3) what has a small loss is taken for a member: the
    area under the ROC curve of the losses says how well that tells the two apart.

    Members are at ``int[n]`` rows of the training data, others in a split; of more than a thousand the seed draws some.
    """
    rng, found = generator(jax.random.key(seed), "membership"), []
    for name, drawn in (("train", rng.permutation(rows)), (split, rng.permutation(len(task.labels(split))))):
        filled = np.resize(drawn[:_MOST], _MOST)  # one program whatever their number
        raw, labels = jnp.asarray(task.raw[name][filled]), jnp.asarray(task.labels(name)[filled])
        found.append(np.asarray(_losses(task.learner.model, task.embed, params, raw, labels))[:, : len(drawn)])
    return tuple(found)


@partial(jax.jit, static_argnums=0)
def _losses(model: Model, embed: Callable, params: Params, raw: jax.Array, labels: jax.Array) -> jax.Array:
    z = predict(model, params, whole(raw, jnp.zeros((len(raw), 1))), embed)
    return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[None, :, None], -1)[..., 0]
