"""The one place where token ids become continuous inputs."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params

PAD = 0


def embed(vectors: jax.Array, ids: jax.Array) -> TextInputs:
    """Looks ``int32[batch, length]`` up in ``float32[words, dim]``, whose row 0 belongs to padding and is zero."""
    return TextInputs(vectors[ids], ids != PAD)


class Lookup(NamedTuple):
    """``ids -> TextInputs`` by a table that can be read off it; see `embed`."""

    table: jax.Array

    def __call__(self, ids: jax.Array) -> TextInputs:
        """See `embed`."""
        return embed(self.table, ids)


class Scaled(NamedTuple):
    """Images or rows as they are stored, to what networks read: (raw − mean) / std, by channels or by columns."""

    mean: jax.Array
    std: jax.Array

    def __call__(self, raw: jax.Array) -> jax.Array:
        """See `Scaled`."""
        return (raw.astype(jnp.float32) - self.mean) / self.std


def drop_words(key: jax.Array, inputs: TextInputs, rate: float) -> TextInputs:
    """Makes a share of the words unknown: their vectors become zero, their positions stay."""
    kept = jax.random.bernoulli(key, 1 - rate, inputs.mask.shape)
    return inputs._replace(embedded=inputs.embedded * kept[..., None])


def dropping_words(model: Model, rate: float) -> Model:
    """A model over `TextInputs` whose dropout begins at the words: a pass with a key leaves some out (`drop_words`).

    Gal & Ghahramani 2016, arXiv 1512.05287, section 4.2, drop words of recurrent networks so.
    """

    def features(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        if key is None:
            return model.features(params, inputs)
        words_key, key = jax.random.split(key)
        return model.features(params, drop_words(words_key, inputs, rate), key)

    def over_table(params: Params, table: jax.Array) -> Callable[..., jax.Array]:
        inner = model.over_table(params, table)

        def features(ids: jax.Array, key: jax.Array | None = None, kept: jax.Array | None = None) -> jax.Array:
            if key is None:
                return inner(ids, None, kept)
            words_key, key = jax.random.split(key)
            more = jax.random.bernoulli(words_key, 1 - rate, ids.shape)
            return inner(ids, key, more if kept is None else more & kept)

        return features

    return model._replace(
        features=features, attention=None, over_table=over_table if model.over_table else None, trunk_dropout=True
    )


def tuned_embedding(model: Model, vectors: jax.Array, trainable: int) -> Model:
    """A model over ids ``int32[batch, length]`` that also trains its word vectors (Kim 2014, "CNN-non-static").

    Of the vectors, ``float32[words, dim]``, so many from the first on are ``trainable``; the others, of words that the
    training text lacks, stay as they are.
    """
    rest = vectors[trainable:]

    def init(key: jax.Array) -> Params:
        return {**model.init(key), "vectors": {"table": vectors[:trainable]}}

    def features(params: Params, ids: jax.Array, key: jax.Array | None = None) -> jax.Array:
        table = jnp.concatenate([params["vectors"]["table"], rest])
        inputs = embed(table, ids)
        inputs = inputs._replace(embedded=inputs.embedded * inputs.mask[..., None])
        return model.features(_without(params), inputs, key)

    def head(params: Params, h: jax.Array, key: jax.Array | None = None) -> jax.Array:
        return model.head(_without(params), h, key)

    return Model(init, features, head, trunk_dropout=model.trunk_dropout)


def _without(params: Params) -> Params:
    return {name: value for name, value in params.items() if name != "vectors"}
