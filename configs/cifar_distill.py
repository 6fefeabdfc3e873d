"""Distil CIFAR-10 into 100 images that train a network from any initialisation.

DD_AL_DATA=my_data python -m dd_al.main --config=configs/cifar_distill.py --workdir=runs/cifar

Data: $DD_AL_DATA/cifar10 (the binary version's files: data_batch_1.bin and so on), or the hub. The config is meant for
a GPU and has not been measured yet: its settings are those that suit MNIST.
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.learner import CORESETS


def get_config(arg=None):
    given = parse_variant(arg, {"network": ("convnet", "alex_cifar")})
    config = to_config(Settings(), inputs="images", data={"name": "cifar10"}, coreset={"methods": CORESETS})
    config.learner.shift = 3
    config.model.update(kind=given.get("network", "convnet"), width=128, depth=3, dropout=0.0)
    config.distill.update(examples=100, batches=2, candidates=8, nets=2, clip=0.05, rate=0.02, iterations=1000)
    config.distill.update(steps=120, inner_rate=6e-3, inner_schedule="cosine")
    config.distill.update(hypergradient="random_truncated", window=10)
    config.full.update(epochs=20, rate=2e-3)
    config.random.update(rates=(1e-3, 3e-3, 1e-2), steps=(20, 40, 80, 160, 320), dropout=(False,))
    return config
