"""Two moons (Medvedev & D'yakonov 2020, arXiv 2008.06440): synthetic points for a network of one, two or four layers.

python -m dd_al.main --config=configs/moons.py:layers=1 --workdir=runs/moons1
python -m dd_al.main --config=configs/moons.py:layers=2 --workdir=runs/moons2
python -m dd_al.main --config=configs/moons.py:layers=4 --workdir=runs/moons4

320 points in 40 batches of 4 of each class, which 5 epochs of inner steps meet in turn, from normal noise, with hard
labels; 800 outer steps are 50 epochs of 1,005 points in batches of 64. A rate is learned for each step and layer, where
the paper learns one for each step. Its accuracies on test are 0.871, 0.941 and 0.906. Half a minute to two minutes.

Data: scikit-learn's generator; a tenth of the 1,005 training points is for validation, which chooses nothing here.
"""

from dd_al.core.settings import parse_variant, to_config
from dd_al.experiments.settings import Settings


def get_config(arg=None):
    given = parse_variant(arg, {"layers": (1, 2, 4)})
    config = to_config(Settings())
    config.inputs = "rows"
    config.data.update(name="moons", scaling="none")
    config.model.update(kind="mlp", width=10, depth=given.get("layers", 1) - 1, dropout=0.0)
    config.model.update(weights="xavier", one_logit=True)
    config.learner.optimizer = "sgd"
    config.distill.update(items=320, batches=40, steps=200, labels="hard", start="noise", nets=3, batch_size=64)
    config.distill.update(iterations=800, rate=0.01, schedule="constant", b1=0.5, b2=0.999, clip=1e9, average=0.0)
    config.distill.update(inner_rate=0.02, evaluate_every=800)
    # Plain descent on all data, too, but at a rate that suits it, which that of the paper's numbers for it did not.
    config.full.update(epochs=100, batch_size=64, rate=1.0)
    config.random.update(rates=(0.03, 0.1, 0.3, 1.0), steps=(10, 40, 160, 640), dropout=(False,))
    return config
