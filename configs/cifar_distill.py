"""CIFAR-10: 100 images train a network from any initialisation.

DD_AL_DATA=my_data python -m dd_al.main --config=configs/cifar_distill.py --workdir=runs/cifar

Data: $DD_AL_DATA/cifar10 (the binary version's files: data_batch_1.bin and so on), or the hub. Meant for a GPU.
"""

from dd_al.core.settings import parse_variant, to_config
from dd_al.experiments.settings import Settings


def get_config(arg=None):
    given = parse_variant(arg, {"network": ("convnet", "alex_cifar")})
    config = to_config(Settings())
    config.inputs = "images"
    config.data.name = "cifar10"
    config.model.update(kind=given.get("network", "convnet"), width=128, depth=3, dropout=0.0)
    config.distill.update(items=100, candidates=8)
    config.full.update(epochs=20, rate=2e-3)
    return config
