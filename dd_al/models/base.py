"""The model contract: pure functions over continuous inputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

Params = dict[str, Any]


class Model(NamedTuple):
    """A network as three pure functions, and a fourth where it has attention.

    Attributes:
      init: ``init(key) -> params``, a dict whose top-level entries are the layers that learned rates belong to.
      features: ``features(params, inputs, key=None) -> float[batch, width]``.
      head: ``head(params, h, key=None) -> float[batch, classes]``, the logits. Dropout is active exactly where a key is
        given.
      attention: ``attention(params, inputs, key=None) -> (h, float[batch, blocks, heads, length])``: the features and,
        from the same pass, the share of attention that every position received; None for a network without attention.
      over_table: ``over_table(params, table) -> features(ids, key=None, kept=None)``: features of texts whose words are
        rows of a table, which compute once for each row what the network makes of a word alone; None without such a
        part. ``kept``, ``bool[batch, length]``, makes the other words unknown.
      trunk_dropout: whether ``features`` has dropout, too; without, one pass serves many stochastic ones through
        ``head``.
      apart: whether several networks are trained and asked one after another on a CPU: side by side their activations
        would outgrow its caches.
    """

    init: Callable[[jax.Array], Params]
    features: Callable[..., jax.Array]
    head: Callable[..., jax.Array]
    attention: Callable[..., tuple[jax.Array, jax.Array]] | None = None
    over_table: Callable[[Params, jax.Array], Callable[..., jax.Array]] | None = None
    trunk_dropout: bool = False
    apart: bool = False

    def apply(self, params: Params, inputs: Any, key: jax.Array | None = None) -> jax.Array:
        """``head ∘ features``: the logits, ``float[batch, classes]``."""
        if key is None:
            return self.head(params, self.features(params, inputs))
        feature_key, head_key = jax.random.split(key)
        return self.head(params, self.features(params, inputs, feature_key), head_key)
