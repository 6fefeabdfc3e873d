"""What a set of images or rows looks like along the outer loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dd_al.config.distill import DistillSettings
from dd_al.distillation.synthetic import Synthetic
from dd_al.io.tensors import read_safetensors, write_safetensors


def moments(settings: DistillSettings) -> tuple[int, ...]:
    """The outer steps to keep: the start, a 64th, a 16th and a quarter of the way, and the end; ends of stretches."""
    every, last = settings.log_every, settings.iterations
    return tuple(sorted({0, last, *(min(last, max(1, round(last / part / every)) * every) for part in (64, 16, 4))}))


def keep(folder: Path, step: int, settings: DistillSettings, synthetic: Synthetic) -> None:
    """Writes the first set down if this is one of the `moments`; a run that repeats a step writes the same again."""
    if step not in moments(settings):
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / f"{step}.safetensors", arrays_of(synthetic))


def arrays_of(synthetic: Synthetic) -> dict[str, np.ndarray]:
    """What is kept of stacked sets: ``inputs`` and ``label_logits`` of the first."""
    return {"inputs": np.asarray(synthetic.inputs[0]), "label_logits": np.asarray(synthetic.label_logits[0])}


def kept(folder: Path, settings: DistillSettings) -> dict[int, dict[str, np.ndarray]]:
    """What was kept, by outer step: ``inputs`` and ``label_logits`` of the first set."""
    paths = {step: folder / f"{step}.safetensors" for step in moments(settings)}
    return {step: read_safetensors(path) for step, path in paths.items() if path.exists()}
