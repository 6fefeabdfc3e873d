"""Max-pooled convolution whose derivatives touch only the windows that won.

With windows ``u`` of a text and a filter ``k``, the response is ``h = max_l k · u_l = k · u_{l*}``. Given the winner
``l*``, it is bilinear in filters and texts, so every derivative of every order is one of three sums over winners:

    responses   h[f, b] = Σ_k  kernel[f, k] · u[l*(f, b), b, k]
    to filters  K[f, k] = Σ_b  w[f, b] · u[l*(f, b), b, k]         `weighted_windows`
    to texts    U[l, b, k] = Σ_f  1[l = l*(f, b)] · w[f, b] · kernel[f, k]

The second, all that fitting needs, reads one window per filter and text where a convolution reads 20 to 40 times as
many. A CPU gathers those; the other two, and all three on accelerators, are faster as dense products. In every array
filters come first and texts last: learners in parallel are then only more filters in front.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from dd_al.core.types import keep

_MASKED = -1e9
# Texts whose windows are unfolded, or gathered, at once: enough for one efficient product, few enough for the cache.
_CHUNK = 16


def max_window(texts: jax.Array, mask: jax.Array, kernel: jax.Array) -> jax.Array:
    """The largest response of every filter over the windows of a text, ``float[batch, filters]`` (Kim 2014, eqs. 2–4).

    A window may start on any word and reach past the last one into zeros, so a text shorter than the window still has
    one; a text without words gives −1e9. Of windows that tie, the first wins. Differentiable to any order by reverse
    mode.

    Args:
      texts: ``float[batch, length, dim]``, zero where ``mask`` is false.
      mask: ``bool[batch, length]``, true where a window may start.
      kernel: ``float[filters, words · dim]``, the words of a window one after the other.
    """
    best, winners = keep(_compete(*jax.lax.stop_gradient((texts, kernel)), mask))
    return _in_texts(_in_kernel(best, texts, kernel, winners), texts, kernel, winners).T


def word_responses(table: jax.Array, kernel: jax.Array) -> jax.Array:
    """What every filter makes of every row of a table in every place of its window, ``float[rows, words, filters]``."""
    rows, dim = table.shape
    places = kernel.reshape(len(kernel), -1, dim).transpose(2, 1, 0)
    return (table @ places.reshape(dim, -1)).reshape(rows, *places.shape[1:])


def max_window_of(responses: jax.Array, ids: jax.Array, kept: jax.Array | None = None) -> jax.Array:
    """`max_window` of texts whose words have these responses: additions in place of products. Not to differentiate.

    Texts are rows of `word_responses`, ``int[batch, length]``, of which row 0 belongs to padding. Words that are not
    ``kept``, ``bool[batch, length]``, count as zeros.
    """
    words, (batch, length) = responses.shape[1], ids.shape
    after = ((0, words - 1), (0, 0))
    counted = ids > 0 if kept is None else (ids > 0) & kept
    rows, counted = (jnp.pad(x.T, after) for x in (ids, counted))

    def start(best: jax.Array, place: jax.Array) -> tuple[jax.Array, None]:
        total = sum(
            jnp.where(counted[place + word][:, None], responses[rows[place + word], word], 0) for word in range(words)
        )
        return jnp.maximum(best, jnp.where((rows[place] > 0)[:, None], total, _MASKED)), None

    nothing = jnp.full((batch, responses.shape[2]), _MASKED, responses.dtype)
    return jax.lax.scan(start, nothing, jnp.arange(length))[0]


def _compete(texts: jax.Array, kernel: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The best response and the position of its window, both ``[filters, batch]``; not differentiable."""

    def best(texts: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        responses = jnp.where(mask.T, _responses(texts, kernel), _MASKED)
        most, last = responses.max(1, keepdims=True), texts.shape[1] - 1
        # An argmax is several times slower on CPU than these two reductions.
        return most[:, 0], jnp.min(jnp.where(responses == most, jnp.arange(last + 1)[:, None], last), axis=1)

    def in_chunks(texts: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        whole, rest = _chunks((texts, mask))
        _, parts = jax.lax.scan(lambda _, part: (None, best(*part)), None, whole)
        joined = jax.tree.map(lambda part: jnp.moveaxis(part, 0, 1).reshape(len(kernel), -1), parts)
        return jax.tree.map(lambda *ends: jnp.concatenate(ends, 1), joined, best(*rest)) if len(rest[0]) else joined

    if len(texts) <= _CHUNK:
        return best(texts, mask)
    return jax.lax.platform_dependent(texts, mask, cpu=in_chunks, default=best)


@jax.custom_vjp
def _in_kernel(best: jax.Array, texts: jax.Array, kernel: jax.Array, winners: jax.Array) -> jax.Array:
    """``best`` as a function of ``kernel``."""
    return best


def _in_kernel_forward(best, texts, kernel, winners):
    return _in_kernel(best, texts, kernel, winners), (texts, kernel, winners)


def _in_kernel_backward(residuals, weights):
    texts, kernel, winners = residuals
    return None, None, weighted_windows(kernel.shape[-1] // texts.shape[-1], texts, weights, winners), None


_in_kernel.defvjp(_in_kernel_forward, _in_kernel_backward)


@jax.custom_jvp
def _in_texts(best: jax.Array, texts: jax.Array, kernel: jax.Array, winners: jax.Array) -> jax.Array:
    """``best`` as a function of ``texts``.

    Not part of `_in_kernel`, because the backward pass of a `custom_vjp` under vmap computes the gradient of the texts
    once per learner and then adds; the transpose of an ordinary product sums over learners within it.
    """
    return best


@functools.partial(_in_texts.defjvp, symbolic_zeros=True)
def _in_texts_jvp(primals, tangents):
    best, _, kernel, winners = primals

    def won(texts: jax.Array) -> jax.Array:
        return jnp.where(_is_winner(winners, texts.shape[1]), _responses(texts, kernel), 0).sum(1)

    tangent = jnp.zeros_like(best) if isinstance(tangents[0], SymbolicZero) else tangents[0]
    return _in_texts(*primals), tangent + _apply(won, tangents[1], tangent)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def weighted_windows(words: int, texts: jax.Array, weights: jax.Array, winners: jax.Array) -> jax.Array:
    """The sum over texts of one weighted window per filter, ``float[filters, words · dim]``.

    Windows of so many words start at ``winners``, ``int32[filters, batch]``, in texts ``float[batch, length, dim]``;
    weights are ``float[filters, batch]``.
    """
    cpu, default = (functools.partial(how, words) for how in (_gathered_windows, _spread_windows))
    return jax.lax.platform_dependent(texts, weights, winners, cpu=cpu, default=default)


@functools.partial(weighted_windows.defjvp, symbolic_zeros=True)
def _weighted_windows_jvp(words, primals, tangents):
    texts, weights, winners = primals
    total = weighted_windows(words, *primals)
    by_texts = _apply(lambda moved: _spread_windows(words, moved, weights, winners), tangents[0], total)
    by_weights = _apply(lambda moved: _spread_windows(words, texts, moved, winners), tangents[1], total)
    return total, by_texts + by_weights


def _gathered_windows(words: int, texts: jax.Array, weights: jax.Array, winners: jax.Array) -> jax.Array:
    batch, _, dim = texts.shape
    flat = jnp.pad(texts, ((0, 0), (0, words - 1), (0, 0))).reshape(batch, -1)

    def window(text: jax.Array, start: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(text, (start,), (words * dim,), allow_negative_indices=False)

    def add(total: jax.Array, part: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        # Written out text by text, the gathers fuse into one pass over the total.
        for text, weight, start in zip(*part, strict=True):
            total += weight[:, None] * jax.vmap(window, (None, 0))(text, start)
        return total, None

    whole, rest = _chunks((flat, weights.T, winners.T * dim))
    total = jnp.zeros((len(weights), words * dim), texts.dtype)
    return add(jax.lax.scan(add, total, whole)[0], rest)[0]


def _spread_windows(words: int, texts: jax.Array, weights: jax.Array, winners: jax.Array) -> jax.Array:
    spread = jnp.where(_is_winner(winners, texts.shape[1]), weights[:, None], 0)
    return jnp.einsum("flb,klb->fk", spread, _unfold(texts, words))


def _apply(linear: Callable[[jax.Array], jax.Array], tangent: jax.Array | SymbolicZero, like: jax.Array) -> jax.Array:
    """``linear(tangent)``; what it multiplies the tangent with is computed again in the transpose, not kept."""
    if isinstance(tangent, SymbolicZero):
        return jnp.zeros_like(like)
    return jax.checkpoint(linear, prevent_cse=False)(tangent)


def _chunks(arrays: tuple[jax.Array, ...]) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, ...]]:
    """Leading axes cut into whole chunks, stacked, and the rest."""
    whole = len(arrays[0]) // _CHUNK * _CHUNK
    stacked = tuple(array[:whole].reshape(-1, _CHUNK, *array.shape[1:]) for array in arrays)
    return stacked, tuple(array[whole:] for array in arrays)


def _unfold(texts: jax.Array, words: int) -> jax.Array:
    """Every window of every text, ``float[words · dim, length, batch]``."""
    length = texts.shape[1]
    padded = jnp.pad(texts.transpose(2, 1, 0), ((0, 0), (0, words - 1), (0, 0)))
    return jnp.concatenate([padded[:, i : i + length] for i in range(words)])


def _responses(texts: jax.Array, kernel: jax.Array) -> jax.Array:
    """Every filter at every window, ``float[filters, length, batch]``."""
    return jnp.einsum("fk,klb->flb", kernel, _unfold(texts, kernel.shape[-1] // texts.shape[-1]))


def _is_winner(winners: jax.Array, length: int) -> jax.Array:
    return winners[:, None] == jnp.arange(length)[:, None]
