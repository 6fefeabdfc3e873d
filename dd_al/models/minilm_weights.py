"""Published weights as the sentence encoder's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dd_al.core.errors import DataError
from dd_al.models.minilm import EncoderSizes

# Parts of published files that a mean over words does not read, and names that some give to others.
_UNREAD = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")
_PREFIX, _HEADS = "bert.", ("cls.", "classifier.")
_RENAMED = {".gamma": ".weight", ".beta": ".bias"}
_QKV = tuple(f"attention.self.{part}" for part in ("query", "key", "value"))
_SHOWN = 4  # names in a message


def params_from(
    tensors: Mapping[str, np.ndarray], sizes: EncoderSizes, origin: str = "model.safetensors"
) -> dict[str, Any]:
    """Lays the tensors of a published BERT out as `SentenceEncoder.init` does; NumPy, ``float32``.

    Args:
      tensors: by their names in the file, such as "encoder.layer.0.output.dense.weight", or with "bert." before that,
        as files with a task's head have them; the pooler's and the head's are not read.
      sizes: what the shapes have to agree with.
      origin: the file's name, for messages.

    Raises:
      DataError: tensors are missing, unexpected, or of another shape than the sizes say; names them.
    """
    tensors = {_plain(name): tensor for name, tensor in tensors.items() if not name.startswith(_HEADS)}
    _check(tensors, _shapes(sizes), origin)

    def read(name: str) -> np.ndarray:
        return np.asarray(tensors[name], np.float32)

    def stacked(*names: str) -> np.ndarray:
        # PyTorch keeps a linear layer as [outputs, inputs], Flax as [inputs, outputs]; a vector is its own transpose.
        layers = [[read(f"encoder.layer.{i}.{name}") for name in names] for i in range(sizes.layers)]
        return np.stack([np.concatenate(parts).T for parts in layers])

    def dense(*names: str) -> dict[str, np.ndarray]:
        weights, biases = ([f"{name}.{part}" for name in names] for part in ("weight", "bias"))
        return {"kernel": stacked(*weights), "bias": stacked(*biases)}

    def norm(name: str) -> dict[str, np.ndarray]:
        return {"scale": stacked(f"{name}.weight"), "bias": stacked(f"{name}.bias")}

    return {
        "words": read("embeddings.word_embeddings.weight"),
        "positions": read("embeddings.position_embeddings.weight"),
        "types": read("embeddings.token_type_embeddings.weight"),
        "norm": {"scale": read("embeddings.LayerNorm.weight"), "bias": read("embeddings.LayerNorm.bias")},
        "layers": {
            "qkv": dense(*_QKV),
            "mix": dense("attention.output.dense"),
            "norm1": norm("attention.output.LayerNorm"),
            "up": dense("intermediate.dense"),
            "down": dense("output.dense"),
            "norm2": norm("output.LayerNorm"),
        },
    }


def _plain(name: str) -> str:
    """A tensor's name as newer files without a head have it."""
    name = name.removeprefix(_PREFIX)
    return next((name.removesuffix(old) + new for old, new in _RENAMED.items() if name.endswith(old)), name)


def _shapes(sizes: EncoderSizes) -> dict[str, tuple[int, ...]]:
    """What the file has to hold: a shape for every name."""
    width, hidden = sizes.width, sizes.hidden
    dense = {name: (width, width) for name in (*_QKV, "attention.output.dense")}
    dense |= {"intermediate.dense": (hidden, width), "output.dense": (width, hidden)}
    norms = ("attention.output.LayerNorm", "output.LayerNorm")
    layer = {f"{name}.weight": shape for name, shape in dense.items()}
    layer |= {f"{name}.bias": shape[:1] for name, shape in dense.items()}
    layer |= {f"{name}.{part}": (width,) for name in norms for part in ("weight", "bias")}
    embeddings = {
        "word_embeddings.weight": (sizes.words, width),
        "position_embeddings.weight": (sizes.positions, width),
        "token_type_embeddings.weight": (sizes.types, width),
        "LayerNorm.weight": (width,),
        "LayerNorm.bias": (width,),
    }
    shapes = {f"embeddings.{name}": shape for name, shape in embeddings.items()}
    return shapes | {f"encoder.layer.{i}.{name}": shape for i in range(sizes.layers) for name, shape in layer.items()}


def _check(tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], origin: str) -> None:
    wrong = [
        f"{name} has the shape {list(tensors[name].shape)}, not {list(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    missing = [name for name in shapes if name not in tensors]
    unexpected = [name for name in tensors if name not in shapes and name not in _UNREAD]
    faults = [
        f"{fault}: {_listed(names)}" for fault, names in (("missing", missing), ("unexpected", unexpected)) if names
    ]
    if faults := faults + ([_listed(wrong)] if wrong else []):
        raise DataError(f"{origin} does not hold the weights that its config.json describes ({'; '.join(faults)})")


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
