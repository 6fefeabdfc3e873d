"""Distil your own pictures: one or more synthetic images per class, for the ConvNet of the condensation papers.

python -m dd_al.main --config=configs/images_distill.py --workdir=runs/pictures --config.data.dir=pictures
python -m dd_al.main --config=configs/images_distill.py:network=lenet --workdir=runs/lenet --config.data.dir=pictures

The folder holds pictures of one size in a folder for each class (CAT/1.png), perhaps below train and test, or MNIST's
idx files, or CIFAR's binary batches. The set has one image for each class, or `--config.distill.examples=N` in all. Ten
of 28 × 28 pixels take half an hour on one core; `network=lenet` is several times as fast.
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.learner import CORESETS


def get_config(arg=None):
    given = parse_variant(arg, {"network": ("convnet", "lenet", "alex_cifar", "mlp")})
    config = to_config(Settings(), inputs="images", coreset={"methods": CORESETS})
    config.data.update(source="local", name="pictures")
    config.model.update(kind=given.get("network", "convnet"), width=64, depth=3, dropout=0.0)
    config.distill.update(candidates=8, nets=1, iterations=500, evaluate_every=50, inner_rate=3e-3)
    config.full.update(epochs=20, min_steps=300, rate=2e-3)
    config.random.update(rates=(3e-4, 1e-3, 3e-3, 1e-2), steps=(10, 20, 40, 80, 160), dropout=(False,))
    return config
