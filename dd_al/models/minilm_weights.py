"""Published weights as the sentence encoder's parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from dd_al.core.errors import DataError
from dd_al.models.minilm import EncoderSizes, SentenceEncoder

# What published files call the entries of `SentenceEncoder.init`, and those of its "layers".
_EMBEDDINGS = {
    "words": "word_embeddings",
    "positions": "position_embeddings",
    "types": "token_type_embeddings",
    "norm": "LayerNorm",
}
_LAYERS = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "mix": ("attention.output.dense",),
    "norm1": ("attention.output.LayerNorm",),
    "up": ("intermediate.dense",),
    "down": ("output.dense",),
    "norm2": ("output.LayerNorm",),
}
# Parts of published files that a mean over words does not read, and names that some give to others.
_UNREAD = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
_PREFIX, _HEADS = "bert.", ("cls.", "classifier.")
_RENAMED = {".gamma": ".weight", ".beta": ".bias"}
_SHOWN = 4  # names in a message


def params_from(
    tensors: Mapping[str, np.ndarray], sizes: EncoderSizes, origin: str = "model.safetensors"
) -> dict[str, Any]:
    """Lays the tensors of a published BERT out as `SentenceEncoder.init` does; NumPy, ``float32``.

    Their names are such as "encoder.layer.0.output.dense.weight", or with "bert." before that, as files with a task's
    head have them; the pooler's and the head's are not read.

    Raises:
      DataError: tensors of the file ``origin`` are missing, unexpected, or of another shape than the sizes say.
    """
    tensors = {_plain(name): tensor for name, tensor in tensors.items() if not name.startswith(_HEADS)}
    expected = flatten_dict(jax.eval_shape(SentenceEncoder(sizes).init, jax.random.key(0)))
    paths = sorted(expected, key=lambda path: path[0] == "layers")  # embeddings first
    names = {path: _names(path, sizes.num_hidden_layers) for path in paths}
    shapes = {}
    for path in paths:
        shape = expected[path].shape
        if path[0] == "layers":
            # PyTorch keeps a linear layer as [outputs, inputs], Flax as [inputs, outputs].
            outputs, *inputs = shape[:0:-1]
            shape = (outputs // len(names[path][0]), *inputs)
        shapes |= {name: shape for layer in names[path] for name in layer}
    _check(tensors, shapes, origin)

    def read(path: tuple[str, ...]) -> np.ndarray:
        layers = [np.concatenate([np.asarray(tensors[name], np.float32) for name in layer]) for layer in names[path]]
        return np.stack([layer.T for layer in layers]) if path[0] == "layers" else layers[0]

    return unflatten_dict({path: read(path) for path in paths})


def _plain(name: str) -> str:
    """A tensor's name as newer files without a head have it."""
    name = name.removeprefix(_PREFIX)
    return next((name.removesuffix(old) + new for old, new in _RENAMED.items() if name.endswith(old)), name)


def _names(path: tuple[str, ...], layers: int) -> list[list[str]]:
    """The tensors that make up a parameter: those that lie side by side in each layer."""
    end = "bias" if path[-1] == "bias" else "weight"
    if path[0] != "layers":
        return [[f"embeddings.{_EMBEDDINGS[path[0]]}.{end}"]]
    return [[f"encoder.layer.{i}.{name}.{end}" for name in _LAYERS[path[1]]] for i in range(layers)]


def _check(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], origin: str) -> None:
    faults = {
        "missing: ": [name for name in shapes if name not in tensors],
        "unexpected: ": [name for name in tensors if name not in shapes and name not in _UNREAD],
        "": [
            f"{name} has the shape {list(tensors[name].shape)}, not {list(shape)}"
            for name, shape in shapes.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    found = "; ".join(fault + _listed(names) for fault, names in faults.items() if names)
    if found:
        raise DataError(f"{origin} does not hold the weights that its config.json describes ({found})")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
