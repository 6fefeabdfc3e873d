"""Bidirectional recurrent networks: plain (Elman 1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014)."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dd_al.core.types import TextInputs
from dd_al.models.base import Model
from dd_al.models.linen import Classifier, as_model, example_text, masked_mean

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def _rnn(state: jax.Array, x: jax.Array, recurrent: jax.Array) -> jax.Array:
    return jnp.tanh(x + recurrent)


def _lstm(state: tuple[jax.Array, jax.Array], x: jax.Array, recurrent: jax.Array) -> tuple[jax.Array, jax.Array]:
    into, forget, out, new = jnp.split(x + recurrent, 4, axis=-1)
    # One is added for the forget gate, so that cells remember from the start (Jozefowicz et al. 2015).
    cell = nn.sigmoid(forget + 1) * state[1] + nn.sigmoid(into) * jnp.tanh(new)
    return nn.sigmoid(out) * jnp.tanh(cell), cell


def _gru(state: jax.Array, x: jax.Array, recurrent: jax.Array) -> jax.Array:
    (reset, update, new), (reset_h, update_h, new_h) = jnp.split(x, 3, -1), jnp.split(recurrent, 3, -1)
    update = nn.sigmoid(update + update_h)
    # The reset gate comes after the product with the recurrent kernel, as in cuDNN.
    return (1 - update) * jnp.tanh(new + nn.sigmoid(reset + reset_h) * new_h) + update * state


_CELLS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


class _Bidirectional(nn.Module):
    """Both directions side by side in one scan; what words bring in is computed for all positions at once."""

    kind: str
    width: int

    @nn.compact
    def __call__(self, inputs: TextInputs) -> jax.Array:
        columns = GATES[self.kind] * self.width
        per_direction = nn.initializers.lecun_normal(batch_axis=0)
        kernel = self.param("kernel", per_direction, (2, inputs.embedded.shape[-1], columns))
        recurrent = self.param("recurrent", per_direction, (2, self.width, columns))
        bias = self.param("bias", nn.initializers.zeros, (2, 1, columns))

        def both(x: jax.Array) -> jax.Array:
            """``[batch, length, …]`` as ``[length, 2, batch, …]``, the second direction read backwards."""
            return jnp.moveaxis(jnp.stack([x, x[:, ::-1]]), 2, 0)

        projected = jnp.einsum("ldbx,dxg->ldbg", both(inputs.embedded), kernel) + bias
        mask = both(inputs.mask)[..., None]
        zeros = jnp.zeros((2, inputs.mask.shape[0], self.width), projected.dtype)
        start = (zeros, zeros) if self.kind == "lstm" else zeros

        def visible(state):
            return state[0] if self.kind == "lstm" else state

        def step(state, xs):
            x, is_word = xs
            after = _CELLS[self.kind](state, x, jnp.einsum("dbh,dhg->dbg", visible(state), recurrent))
            # Padding leaves the state as it is; read backwards, it comes first and leaves it at zero.
            after = jax.tree.map(lambda new, old: jnp.where(is_word, new, old), after, state)
            return after, visible(after)

        _, outputs = jax.lax.scan(step, start, (projected, mask))  # [length, 2, batch, width]
        forward, backward = jnp.moveaxis(outputs, 0, 2)
        return jnp.concatenate([forward, backward[:, ::-1]], axis=-1)


class _Recurrent(Classifier):
    kind: str
    width: int

    def layers(self):
        self.recurrent = _Bidirectional(self.kind, self.width)

    def features(self, inputs: TextInputs) -> jax.Array:
        return masked_mean(self.recurrent(inputs), inputs.mask)


def recurrent(dim: int, classes: int, *, kind: str = "lstm", width: int = 64, dropout: float = 0.5) -> Model:
    """A layer "recurrent", whose states, ``width`` numbers in each direction, are averaged over the words.

    Words have ``dim`` numbers; for the other arguments see `Classifier`.

    Raises:
      ValueError: the kind is none of `GATES`.
    """
    if kind not in GATES:
        raise ValueError(f"unknown recurrent network {kind!r}; allowed: {', '.join(GATES)}")
    return as_model(_Recurrent(classes, dropout, kind, width), example_text(dim))
