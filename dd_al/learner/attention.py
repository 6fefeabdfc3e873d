"""Attention labels: what the attention of a network is drawn to on a synthetic example."""

from typing import Any

import jax

from dd_al.core.losses import cross_entropy, divergence
from dd_al.core.types import Batch
from dd_al.learner.learner import CROSS_ENTROPY, BatchLoss
from dd_al.models.base import Model, Params


def attention_loss(weight: float) -> BatchLoss:
    """The loss ℓ + λ KL(labels ‖ attention) of Maekawa et al. 2023 (ACL), who distil for fine-tuning BERT.

    The divergence is a mean over examples, blocks and heads. Batches without attention labels, and models without
    `Model.attention`, have the loss ℓ alone, as all have where ``weight``, λ, is 0.
    """

    def loss(model: Model, params: Params, batch: Batch, key: jax.Array | None) -> jax.Array:
        if batch.attention is None or model.attention is None:
            return CROSS_ENTROPY(model, params, batch, key)
        (inputs,) = batch.inputs
        z, attention = apply_attending(model, params, inputs, key)
        return cross_entropy(z, batch.targets) + weight * divergence(batch.attention, attention)

    return loss if weight else CROSS_ENTROPY


def apply_attending(
    model: Model, params: Params, inputs: Any, key: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """`Model.apply` and, from the same pass, the attention that every position received; see `Model.attention`."""
    feature_key, head_key = (None, None) if key is None else jax.random.split(key)
    h, attention = model.attention(params, inputs, feature_key)
    return model.head(params, h, head_key), attention
