"""A sentence encoder: BERT (Devlin et al. 2019, arXiv 1810.04805), its outputs averaged (Reimers and Gurevych 2019).

Sizes and weights come from a published model such as all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.errors import DataError
from dd_al.core.types import TextInputs
from dd_al.models.base import Model, Params
from dd_al.models.linen import masked_mean

_FIXED = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
_OUTPUT = "output"  # the layer that is put on top
_INIT = nn.initializers.normal(0.02)  # BERT's
_TINY = 1e-24  # keeps the direction of a text without words at zero, with finite derivatives


@dataclasses.dataclass(frozen=True)
class EncoderSizes:
    """Sizes and rates of an encoder, as the config.json of a BERT model names them."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout_prob: float
    attention_probs_dropout_prob: float


def sizes_of(config: Mapping[str, Any], origin: str = "config.json") -> EncoderSizes:
    """Reads the sizes from a parsed config.json, whose name is ``origin``.

    Raises:
      DataError: a key is missing, its value is no size or rate, or it asks for another kind of encoder.
    """
    kinds = {field.name: field.type for field in dataclasses.fields(EncoderSizes)}
    if missing := [key for key in kinds if key not in config]:
        raise DataError(f"{origin} has no {', '.join(missing)}; give the config.json of a BERT model")
    for key, known in _FIXED.items():
        if (value := config.get(key, known)) != known:
            raise DataError(f"{origin}: {key} is {value!r}; this encoder computes {known!r} only")
    for key, kind in kinds.items():
        value = config[key]
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if not is_number or not (value >= 1 if kind is int else 0 <= value < 1):
            wanted = "a whole number of 1 or more" if kind is int else "a number from 0 to below 1"
            raise DataError(f"{origin}: {key} is {value!r}; it has to be {wanted}")
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if width % heads:
        raise DataError(f"{origin}: num_attention_heads is {heads}, which does not divide hidden_size, {width}")
    return EncoderSizes(**{key: config[key] for key in kinds})


class _Layer(nn.Module):
    """Self-attention and a two-layer network, each added to what it reads and then normalised."""

    sizes: EncoderSizes
    deterministic: bool

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array) -> tuple[jax.Array, None]:
        width = self.sizes.hidden_size
        # One wide product for queries, keys and values.
        h = self.attention(nn.Dense(3 * width, name="qkv")(x), mask)
        x = self.add_norm(x, nn.Dense(width, name="mix")(h), "norm1")
        h = nn.gelu(nn.Dense(self.sizes.intermediate_size, name="up")(x), approximate=False)
        # A pair, as a scan over layers has it.
        return self.add_norm(x, nn.Dense(width, name="down")(h), "norm2"), None

    def attention(self, qkv: jax.Array, mask: jax.Array) -> jax.Array:
        """Every head's mean of the values, ``float32[batch, length, width]``."""
        batch, length, _ = qkv.shape
        heads = self.sizes.num_attention_heads
        dim = self.sizes.hidden_size // heads
        # [3, batch, heads, length, dim]: batched products over plain matrices.
        q, k, v = qkv.reshape(batch, length, 3, heads, dim).transpose(2, 0, 3, 1, 4)
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) * dim**-0.5
        # A finite number, so that a text without words has finite weights.
        scores = jnp.where(mask[:, None, None, :], scores, jnp.finfo(scores.dtype).min)
        drop = nn.Dropout(self.sizes.attention_probs_dropout_prob)
        weights = drop(nn.softmax(scores), deterministic=self.deterministic)
        return jnp.einsum("bhqk,bhkd->bhqd", weights, v).transpose(0, 2, 1, 3).reshape(batch, length, -1)

    def add_norm(self, x: jax.Array, h: jax.Array, name: str) -> jax.Array:
        """The residual connection, normalised after the sum."""
        drop = nn.Dropout(self.sizes.hidden_dropout_prob)
        return _norm(self.sizes, name)(x + drop(h, deterministic=self.deterministic))


class _Encoder(nn.Module):
    """The network from word vectors to outputs, ``float32[batch, length, width]``."""

    sizes: EncoderSizes
    deterministic: bool = True

    @nn.compact
    def __call__(self, embedded: jax.Array, mask: jax.Array) -> jax.Array:
        sizes = self.sizes
        places = self.param("positions", _INIT, (sizes.max_position_embeddings, sizes.hidden_size))
        types = self.param("types", _INIT, (sizes.type_vocab_size, sizes.hidden_size))
        # A sentence alone is of the first of BERT's two types.
        x = _norm(sizes, "norm")(embedded + places[jnp.arange(embedded.shape[1])] + types[0])
        x = nn.Dropout(sizes.hidden_dropout_prob)(x, deterministic=self.deterministic)
        # A scan compiles one layer, not six, in a third of the time.
        layers = nn.scan(
            _Layer,
            variable_axes={"params": 0},
            split_rngs={"params": True, "dropout": True},
            in_axes=nn.broadcast,
            length=sizes.num_hidden_layers,
        )
        return layers(sizes, self.deterministic, name="layers")(x, mask)[0]


def _norm(sizes: EncoderSizes, name: str) -> nn.LayerNorm:
    # The fast variance, E[x²] - E[x]², loses digits that an epsilon of 1e-12 does not hide.
    return nn.LayerNorm(sizes.layer_norm_eps, use_fast_variance=False, name=name)


@dataclasses.dataclass(frozen=True)
class SentenceEncoder:
    """A sentence encoder as pure functions of parameters, for which `dd_al.models.minilm_weights` has published ones.

    Dropout lies inside, and is active exactly where a key is given.
    """

    sizes: EncoderSizes

    def init(self, key: jax.Array) -> Params:
        """Random parameters: "words" (the table of word vectors), "positions", "types", "norm" and "layers".

        Those of layers are stacked: every leaf has the layers as its first axis.
        """
        words_key, key = jax.random.split(key)
        words = _INIT(words_key, (self.sizes.vocab_size, self.sizes.hidden_size))
        example = jnp.zeros((1, 1, self.sizes.hidden_size)), jnp.ones((1, 1), bool)
        return {"words": words, **_Encoder(self.sizes).init(key, *example)["params"]}

    def outputs(self, params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        """What the encoder makes of every word, ``float32[batch, length, width]``."""
        rngs = None if key is None else {"dropout": key}
        network = _Encoder(self.sizes, deterministic=key is None)
        read = {name: value for name, value in params.items() if name != "words"}
        return network.apply({"params": read}, inputs.embedded, inputs.mask, rngs=rngs)

    def sentence_features(
        self, params: Params, ids: jax.Array, mask: jax.Array, key: jax.Array | None = None
    ) -> jax.Array:
        """Sentence vectors: mean outputs at unit length, ``float32[batch, width]``; zero for a text without words.

        Word pieces are ``int32[batch, length]``, at most `EncoderSizes.max_position_embeddings` long; on padding, where
        the mask is false, they may be any.
        """
        inputs = TextInputs(jnp.asarray(params["words"])[ids] * mask[..., None], mask)
        means = masked_mean(self.outputs(params, inputs, key), mask)
        return means * jax.lax.rsqrt(jnp.maximum(jnp.sum(means**2, -1, keepdims=True), _TINY))


def fine_tuned(sizes: EncoderSizes, pretrained: Params, classes: int, *, dropout: float) -> Model:
    """An encoder to be trained as a whole: the mean of its outputs, and a linear layer that starts at zero.

    Devlin et al. 2019, section 3.2. Its inputs are embedded word pieces, whose vectors are not trained. `Model.init`
    returns the published weights for every key: what differs between initialisations is what training draws.

    Dropout lies inside, as BERT has it, and in the head, all at one rate: those of the sizes are not read.
    """
    rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    encoder = SentenceEncoder(dataclasses.replace(sizes, **rates))
    drop = nn.Dropout(dropout)
    body = {name: value for name, value in pretrained.items() if name != "words"}

    def init(key: jax.Array) -> Params:
        head = {"kernel": jnp.zeros((sizes.hidden_size, classes)), "bias": jnp.zeros(classes)}
        return {**jax.tree.map(jnp.asarray, body), _OUTPUT: head}

    def features(params: Params, inputs: TextInputs, key: jax.Array | None = None) -> jax.Array:
        inner = {name: value for name, value in params.items() if name != _OUTPUT}
        return masked_mean(encoder.outputs(inner, inputs, key), inputs.mask)

    def head(params: Params, h: jax.Array, key: jax.Array | None = None) -> jax.Array:
        h = drop.apply({}, h, deterministic=key is None, rngs=None if key is None else {"dropout": key})
        return h @ params[_OUTPUT]["kernel"] + params[_OUTPUT]["bias"]

    return Model(init, features, head, trunk_dropout=dropout > 0)
