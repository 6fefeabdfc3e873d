"""Which few examples train a classifier best? Dataset distillation and active learning for text, in JAX.

    import dd_al

    distilled = dd_al.distill(texts, labels)
    distilled.classifier.predict(["what a lovely film"])
    distilled.save("distilled.safetensors")

See `help(dd_al.distill)`. Importing the package is cheap: JAX is imported by what needs it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dd_al.core.version import VERSION

if TYPE_CHECKING:  # type checkers do not look into `__getattr__`
    from dd_al.active.learner import ActiveLearner
    from dd_al.api import Classifier, Distilled, Synthetic, distill, load
    from dd_al.export import export_huggingface
    from dd_al.takeaway import load_distilled

__version__ = VERSION
_HOMES = {
    "ActiveLearner": "dd_al.active.learner",
    "Classifier": "dd_al.api",
    "Distilled": "dd_al.api",
    "Synthetic": "dd_al.api",
    "distill": "dd_al.api",
    "load": "dd_al.api",
    "export_huggingface": "dd_al.export",
    "load_distilled": "dd_al.takeaway",  # without JAX
}
__all__ = [
    "ActiveLearner",
    "Classifier",
    "Distilled",
    "Synthetic",
    "distill",
    "export_huggingface",
    "load",
    "load_distilled",
]


def __getattr__(name: str) -> Any:
    """Imports what the package exports, on first use."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
