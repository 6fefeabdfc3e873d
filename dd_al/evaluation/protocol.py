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

from dd_al.learner.examples import Examples, whole
from dd_al.learner.predict import predict
from dd_al.models.base import Model, Params
from dd_al.task.task import Task


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


def losses(task: Task, params: Params, split: str, rows: np.ndarray) -> np.ndarray:
    """Cross-entropies of stacked learners on the examples at ``int[n]`` rows of a split, ``float32[learners, n]``."""
    raw, labels = jnp.asarray(task.raw[split][rows]), jnp.asarray(task.labels(split)[rows])
    return np.asarray(_losses(task.learner.model, task.embed, params, raw, labels))


@partial(jax.jit, static_argnums=0)
def _losses(model: Model, embed: Callable, params: Params, raw: jax.Array, labels: jax.Array) -> jax.Array:
    z = predict(model, params, whole(raw, jnp.zeros((len(raw), 1))), embed)
    return -jnp.take_along_axis(jax.nn.log_softmax(z), labels[None, :, None], -1)[..., 0]
