"""Distillation: what is optimised, and how. Called, this room does the whole job on plain Python lists.

    import dd_al

    distilled = dd_al.distill(texts, labels, items=8)

is `dd_al.api.distill`; `help(dd_al.api.distill)` lists the arguments. The modules of the room are imported as usual:
`from dd_al.distill import unrolled`.
"""

import inspect
import sys
import types
from typing import Any


class _CallableRoom(types.ModuleType):
    """`dd_al.distill` names both this room and the function that most people want from it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Late, and the one arrow that points up: the room lends its name and uses nothing of the api.
        from dd_al.api import distill

        return distill(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        from dd_al.api import distill

        return inspect.signature(distill)


sys.modules[__name__].__class__ = _CallableRoom
