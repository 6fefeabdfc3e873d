"""A sentence encoder: BERT (Devlin et al. 2019, arXiv 1810.04805), its outputs averaged (Reimers and Gurevych 2019).

Sizes and weights come from a published model such as all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.errors import DataError
from dd_al.core.types import TextInputs
from dd_al.models.base import Params

_FIXED = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
_INIT = nn.initializers.normal(0.02)  # BERT's
_TINY = 1e-24  # keeps the direction of a text without words at zero, with finite derivatives


def _size(key: str) -> Any:
    return dataclasses.field(metadata={"key": key})


@dataclasses.dataclass(frozen=True)
class EncoderSizes:
    """Sizes and rates of an encoder, each with its key in the config.json of a BERT model."""

    words: int = _size("vocab_size")
    width: int = _size("hidden_size")
    layers: int = _size("num_hidden_layers")
    heads: int = _size("num_attention_heads")
    hidden: int = _size("intermediate_size")
    positions: int = _size("max_position_embeddings")
    types: int = _size("type_vocab_size")
    epsilon: float = _size("layer_norm_eps")
    dropout: float = _size("hidden_dropout_prob")
    attention_dropout: float = _size("attention_probs_dropout_prob")


def sizes_of(config: Mapping[str, Any], origin: str = "config.json") -> EncoderSizes:
    """Reads the sizes from a parsed config.json.

    Args:
      config: what the file holds.
      origin: the file's name, for messages.

    Raises:
      DataError: a key is missing, its value is no size or rate, or it asks for another kind of encoder.
    """
    keys = {field.metadata["key"]: field for field in dataclasses.fields(EncoderSizes)}
    if missing := [key for key in keys if key not in config]:
        raise DataError(f"{origin} has no {', '.join(missing)}; give the config.json of a BERT model")
    for key, known in _FIXED.items():
        if (value := config.get(key, known)) != known:
            raise DataError(f"{origin}: {key} is {value!r}; this encoder computes {known!r} only")
    for key, field in keys.items():
        value, whole = config[key], field.type == "int"
        good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not good or not (value >= 1 if whole else 0 <= value < 1):
            wanted = "a whole number of 1 or more" if whole else "a number from 0 to below 1"
            raise DataError(f"{origin}: {key} is {value!r}; it has to be {wanted}")
    if config["hidden_size"] % config["num_attention_heads"]:
        width, heads = config["hidden_size"], config["num_attention_heads"]
        raise DataError(f"{origin}: num_attention_heads is {heads}, which does not divide hidden_size, {width}")
    return EncoderSizes(**{field.name: config[key] for key, field in keys.items()})


class _Layer(nn.Module):
    """Self-attention and a two-layer network, each added to what it reads and then normalised."""

    sizes: EncoderSizes
    deterministic: bool

    @nn.compact
    def __call__(self, x: jax.Array, attended: jax.Array) -> tuple[jax.Array, None]:
        width = self.sizes.width
        # One wide product for queries, keys and values.
        h = self.attention(nn.Dense(3 * width, name="qkv")(x), attended)
        x = self.add_norm(x, nn.Dense(width, name="mix")(h), "norm1")
        h = nn.gelu(nn.Dense(self.sizes.hidden, name="up")(x), approximate=False)
        # A pair, as a scan over layers has it.
        return self.add_norm(x, nn.Dense(width, name="down")(h), "norm2"), None

    def attention(self, qkv: jax.Array, attended: jax.Array) -> jax.Array:
        """Every head's mean of the values, ``float32[batch, length, width]``."""
        batch, length, _ = qkv.shape
        dim = self.sizes.width // self.sizes.heads
        # [3, batch, heads, length, dim]: batched products over plain matrices.
        q, k, v = qkv.reshape(batch, length, 3, self.sizes.heads, dim).transpose(2, 0, 3, 1, 4)
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) * dim**-0.5
        # A finite number, so that padding, which reads nothing in a packed row, has finite weights.
        scores = jnp.where(attended[:, None], scores, jnp.finfo(scores.dtype).min)
        weights = nn.Dropout(self.sizes.attention_dropout)(nn.softmax(scores), deterministic=self.deterministic)
        return jnp.einsum("bhqk,bhkd->bhqd", weights, v).transpose(0, 2, 1, 3).reshape(batch, length, -1)

    def add_norm(self, x: jax.Array, h: jax.Array, name: str) -> jax.Array:
        """The residual connection, normalised after the sum."""
        return _norm(self.sizes, name)(x + nn.Dropout(self.sizes.dropout)(h, deterministic=self.deterministic))


class Encoder(nn.Module):
    """The network from word vectors to outputs; see `sentence_encoder` for its pure functions."""

    sizes: EncoderSizes
    deterministic: bool = True

    @nn.compact
    def __call__(self, embedded: jax.Array, positions: jax.Array, attended: jax.Array) -> jax.Array:
        """Outputs, ``float32[batch, length, width]``.

        Args:
          embedded: ``float32[batch, length, width]``.
          positions: ``int32[length]`` or ``int32[batch, length]``, of each word in its sentence.
          attended: ``bool[batch, 1 or length, length]``, which words (last axis) a word reads.
        """
        sizes = self.sizes
        places = self.param("positions", _INIT, (sizes.positions, sizes.width))
        types = self.param("types", _INIT, (sizes.types, sizes.width))
        # A sentence alone is of the first of BERT's two types.
        x = _norm(sizes, "norm")(embedded + places[positions] + types[0])
        x = nn.Dropout(sizes.dropout)(x, deterministic=self.deterministic)
        # A scan compiles one layer, not six, in a third of the time.
        layers = nn.scan(
            _Layer,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=nn.broadcast,
            length=sizes.layers,
        )
        return layers(sizes, self.deterministic, name="layers")(x, attended)[0]


def _norm(sizes: EncoderSizes, name: str) -> nn.LayerNorm:
    # The fast variance, E[x²] - E[x]², loses digits that an epsilon of 1e-12 does not hide.
    return nn.LayerNorm(sizes.epsilon, use_fast_variance=False, name=name)


def _unit_means(outputs: jax.Array, members: jax.Array) -> jax.Array:
    """Means over the members at unit length, ``float32[batch, sentences, width]``; zero for a sentence without words.

    Args:
      outputs: ``float32[batch, length, width]``.
      members: ``bool[batch, sentences, length]``.
    """
    counts = jnp.sum(members, -1, keepdims=True)
    means = (members.astype(outputs.dtype) @ outputs) / jnp.maximum(counts, 1)
    return means * jax.lax.rsqrt(jnp.maximum(jnp.sum(means**2, -1, keepdims=True), _TINY))


class SentenceEncoder(NamedTuple):
    """A sentence encoder as pure functions; `features` is that of a `Model` over `TextInputs`.

    Dropout lies inside, and is active exactly where a key is given.

    Attributes:
      init: ``init(key) -> params``, a dict with the entries "words" (the table of word vectors), "positions", "types",
        "norm" and "layers" (stacked: every leaf has the layers as its first axis).
      embed: ``embed(params, ids, mask) -> TextInputs``, the rows of "words".
      outputs: ``outputs(params, inputs, key=None) -> float32[batch, length, width]``, what it makes of every word.
      features: ``features(params, inputs, key=None) -> float32[batch, width]``, their mean at unit length (zero without
        words).
      packed_features: ``packed_features(params, ids, sentences, slots, key=None) -> float32[batch, slots, width]``:
        what `sentence_features` gives, for sentences that lie one behind the other. Ids are ``int32[batch, length]``;
        sentences, of the same shape, number the sentences of a row from 1 to ``slots``, and are 0 on padding. A slot
        without words is zero.
    """

    init: Callable[[jax.Array], Params]
    embed: Callable[[Params, jax.Array, jax.Array], TextInputs]
    outputs: Callable[..., jax.Array]
    features: Callable[..., jax.Array]
    packed_features: Callable[..., jax.Array]

    def sentence_features(
        self, params: Params, ids: jax.Array, mask: jax.Array, key: jax.Array | None = None
    ) -> jax.Array:
        """``features ∘ embed``: sentence vectors of unit length, ``float32[batch, width]``.

        Args:
          params: of `init` or `dd_al.models.minilm_weights.params_from`.
          ids: ``int32[batch, length]`` of word pieces, at most `EncoderSizes.positions` long; padding may hold any.
          mask: ``bool[batch, length]``, true on word pieces.
          key: optional, of the dropout.
        """
        return self.features(params, self.embed(params, ids, mask), key)


def sentence_encoder(sizes: EncoderSizes) -> SentenceEncoder:
    """The encoder of the given sizes; `dd_al.models.minilm_weights` has published parameters for it."""

    def init(key: jax.Array) -> Params:
        words_key, key = jax.random.split(key)
        example = jnp.zeros((1, 1, sizes.width)), jnp.zeros(1, int), jnp.ones((1, 1, 1), bool)
        words = _INIT(words_key, (sizes.words, sizes.width))
        return {"words": words, **Encoder(sizes).init(key, *example)["params"]}

    def embed(params: Params, ids: jax.Array, mask: jax.Array) -> TextInputs:
        return TextInputs(jnp.asarray(params["words"])[ids] * mask[..., None], mask)

    def run(params: Params, key: jax.Array | None, *inputs: jax.Array) -> jax.Array:
        rngs = None if key is None else {"dropout": key}
        rest = {name: value for name, value in params.items() if name != "words"}
        return Encoder(sizes, deterministic=key is None).apply({"params": rest}, *inputs, rngs=rngs)

    def outputs(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        return run(params, key, inputs.embedded, jnp.arange(inputs.mask.shape[1]), inputs.mask[:, None, :])

    def features(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        return _unit_means(outputs(params, inputs, key), inputs.mask[:, None, :])[:, 0]

    def packed_features(
        params: Params, ids: jax.Array, sentences: jax.Array, slots: int, key: jax.Array | None = None
    ) -> jax.Array:
        places = jnp.arange(ids.shape[1])
        starts = jnp.diff(sentences, axis=1, prepend=-1) != 0
        positions = places - jax.lax.cummax(jnp.where(starts, places, 0), axis=1)
        attended = (sentences[:, :, None] == sentences[:, None, :]) & (sentences > 0)[:, None, :]
        found = run(params, key, embed(params, ids, sentences > 0).embedded, positions, attended)
        return _unit_means(found, sentences[:, None, :] == jnp.arange(1, slots + 1)[:, None])

    return SentenceEncoder(init, embed, outputs, features, packed_features)
