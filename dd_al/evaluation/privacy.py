"""What a small training set, and learners trained on it, give away of the data behind it."""

import jax
import jax.numpy as jnp
import numpy as np

from dd_al.core.keys import generator
from dd_al.distillation.synthetic import Synthetic, as_batch
from dd_al.evaluation import protocol
from dd_al.evaluation.baselines import vectors_of
from dd_al.models.base import Params
from dd_al.task.task import Task

_MOST = 1000  # members, and others, that are compared


def membership(task: Task, params: Params, rows: np.ndarray, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses of stacked learners on examples behind them and on others, ``float32[learners, n]`` each.

    In the attack of Yeom et al. 2018 (arXiv 1709.01604, section 3.3) what has a small loss is taken for a member: the
    area under the ROC curve of the losses says how well that tells the two apart.

    Members are at ``int[n]`` rows of the training data, others in a split; of more than a thousand the seed draws some.
    """
    rng = generator(jax.random.key(seed), "membership")
    found = []
    for name, drawn in (("train", rng.permutation(rows)), (split, rng.permutation(len(task.labels(split))))):
        count = min(len(drawn), _MOST)
        filled = np.resize(drawn[:_MOST], _MOST)  # one program whatever their number
        found.append(protocol.losses(task, params, name, filled)[:, :count])
    return tuple(found)


def nearness(task: Task, synthetic: Synthetic, start_rows: np.ndarray | None) -> dict[str, float]:
    """How near synthetic examples are to real ones, beside real ones that are no part of the training data.

    Examples are compared by cosines of what networks read, a text as the mean of its word vectors.

    Returns:
      ``nearest``, the mean over items of the largest cosine with a training example; ``chance``, the same of validation
      examples; and where the items began as real ones, at ``int[items]`` rows, ``recovered``, the share whose nearest
      training example that is.
    """

    def real(split: str) -> np.ndarray:
        raw = jnp.asarray(task.raw[split])
        return _unit([vectors_of(task.embed(raw[first : first + 1024])) for first in range(0, len(raw), 1024)])

    train = real("train")
    near = _unit([vectors_of(x) for x in as_batch(synthetic).inputs]) @ train.T
    found = {"nearest": float(near.max(1).mean()), "chance": float((real("validation") @ train.T).max(1).mean())}
    if start_rows is not None:
        found["recovered"] = float(np.mean(near.argmax(1) == start_rows))
    return found


def _unit(parts: list[jax.Array]) -> np.ndarray:
    points = np.concatenate([np.asarray(part) for part in parts])
    return points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
