"""Two moons (Medvedev & D'yakonov 2020, arXiv 2008.06440): synthetic points for networks of one, two or four layers.

python -m dd_al.main --config=configs/moons.py:layers=2 --workdir=runs/moons2
"""

from dd_al.core.settings import parse_variant, to_config
from dd_al.experiments.settings import Settings


def get_config(arg=None):
    given = parse_variant(arg, {"layers": (1, 2, 4)})
    config = to_config(Settings())
    config.inputs = "rows"
    config.data.update(name="moons", scaling="none")
    config.model.update(kind="mlp", width=10, depth=given.get("layers", 1) - 1, dropout=0.0, weights="xavier")
    config.model.one_logit = True
    config.learner.optimizer = "sgd"
    # 40 batches of 4 points a class, met in 5 epochs of inner steps; 50 epochs of the 1,005 training points.
    config.distill.update(items=320, batches=40, steps=200, labels="hard", start="noise", nets=3, batch_size=64)
    config.distill.update(iterations=800, rate=0.01, schedule="constant", b1=0.5, b2=0.999, clip=1e9, average=0.0)
    config.distill.update(inner_rate=0.02, evaluate_every=800)
    config.full.update(epochs=10, batch_size=64, rate=1e-2)
    return config
