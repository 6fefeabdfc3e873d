"""A pretrained encoder with a head, to be trained as a whole (Devlin et al. 2019, arXiv 1810.04805, section 3.2)."""

import dataclasses

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params
from dd_al.models.linen import masked_mean
from dd_al.models.minilm import EncoderSizes, SentenceEncoder

_HEAD = "output"


def fine_tuned(sizes: EncoderSizes, pretrained: Params, classes: int, *, dropout: float) -> Model:
    """An encoder from published weights, the mean of its outputs, and a linear layer that starts at zero.

    Its inputs are embedded word pieces, whose vectors are not trained. `Model.init` returns the published weights for
    every key: what differs between initialisations is what training draws.

    Args:
      sizes: of the encoder; its own rates of dropout are not read.
      pretrained: of `dd_al.models.minilm_weights.params_from`.
      classes: number of logits.
      dropout: rate inside, as BERT has it (after the embeddings, in the attention and after each block's parts), and in
        the head.
    """
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    encoder = SentenceEncoder(dataclasses.replace(sizes, **rates))
    drop = nn.Dropout(dropout)
    body = {name: value for name, value in pretrained.items() if name != "words"}

    def init(key: jax.Array) -> Params:
        del key
        head = {"kernel": jnp.zeros((sizes.hidden_size, classes)), "bias": jnp.zeros(classes)}
        return {**jax.tree.map(jnp.asarray, body), _HEAD: head}

    def features(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        inner = {name: value for name, value in params.items() if name != _HEAD}
        return masked_mean(encoder.outputs(inner, inputs, key), inputs.mask)

    def head(params: Params, h: jax.Array, key: jax.Array | None = None) -> jax.Array:
        h = drop.apply({}, h, deterministic=key is None, rngs=None if key is None else {"dropout": key})
        return h @ params[_HEAD]["kernel"] + params[_HEAD]["bias"]

    return Model(init, features, head, trunk_dropout=dropout > 0)
