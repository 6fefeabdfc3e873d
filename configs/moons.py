"""Two moons (Medvedev & D'yakonov 2020, arXiv 2010.09839): synthetic points for a network of one, two or four layers.

python -m dd_al.main --config=configs/moons.py:layers=2 --workdir=runs/moons2
python -m dd_al.main --config=configs/moons.py:layers=2,tuned --workdir=runs/moons2-tuned
python -m dd_al.main --config=configs/moons.py:study=all --workdir=runs/moons-study
python -m dd_al.main --config=configs/moons.py:study=all,tuned --workdir=runs/moons-study-tuned

320 points with hard labels start from normal noise, in 40 batches of 4 of each class, which 5 epochs of inner steps use
in turn. Each step learns a rate. 800 outer steps are as many as 50 epochs of 1,005 points in batches of 64. The paper
reports 0.871, 0.941 and 0.906 on test. A run takes half a minute to two minutes. `tuned` has better settings instead.

`study=curves` varies inner epochs, inner steps and nets (figure 7). `study=matrix` distils for each network and for all
at once, ten times, and tries the sets on all networks by longer schedules, with pictures of the points and of the
networks' decisions (figures 8 to 10). `study=all` does both.

Data: scikit-learn's generator. A tenth of the 1,005 training points is for validation, which chooses the length of
longer schedules, and with `tuned` the outer step.
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.learner import CORESETS

SOURCE = (
    "Medvedev & D'yakonov 2020 (arXiv 2010.09839): 320 points with hard labels, 800 outer steps, means over ten "
    "distillations for networks of one, two and four layers (here mlp:depth=0, 1 and 3: hidden layers); theirs on a "
    "network's own sets spread by 0.3, 4.3 and 5.4 points. Longer is their longer schedule, whichever of ours."
)
NETWORKS = ("mlp:depth=0", "mlp:depth=1", "mlp:depth=3")
PUBLISHED = {
    "mlp:depth=0": "87.1 86.9 86.4",
    "mlp:depth=1": "80.8 94.1 69.1",
    "mlp:depth=3": "82.5 87.9 90.6",
    "all at once": "85.9 88.1 86.7",
    "all at once longer": "85.1 97.0 98.6",
    "all data": "76.6 87.7 99.5",
}
_FEW = "distill.iterations=160; distill.evaluate_every=160"
CURVES = {
    "inner epochs": f"distill.steps=1|15|40|100; distill.examples=8; distill.batches=1; {_FEW}",
    "inner steps": f"distill.steps=1|15|40|100; distill.examples=8|120|320|800; distill.batches=1|15|40|100; {_FEW}",
    "nets": f"distill.nets=1|2|10|20; distill.steps=10; distill.examples=80; distill.batches=10; {_FEW}",
}


def get_config(arg=None):
    allowed = {"layers": (1, 2, 4), "tuned": bool, "study": ("curves", "matrix", "all"), "data": ("moons", "circles")}
    given = parse_variant(arg, allowed)
    data, study = given.get("data", "moons"), given.get("study")
    config = to_config(Settings(), inputs="rows", data={"name": data, "scaling": "none"}, learner={"optimizer": "sgd"})
    config.model.update(kind="mlp", width=10, depth=given.get("layers", 1) - 1, dropout=0.0)
    config.model.update(weights="xavier", one_logit=True)
    # All data also trains by plain descent, but at a rate that suits it better than the paper's.
    config.full.update(epochs=100, batch_size=64, rate=1.0)
    config.random.update(rates=(0.03, 0.1, 0.3, 1.0), steps=(10, 40, 160, 640), dropout=(False,))
    config.transfer.full_rates = (4e-3, 1.6e-2, 5e-2, 0.1, 0.2)
    if given.get("tuned"):
        # Adam inside, soft labels, points from real ones, an average of the outer steps, the best by validation.
        config.update(
            learner={"optimizer": "adam"}, full={"rate": 0.05}, random={"rates": (1e-3, 3e-3, 1e-2, 3e-2, 0.1)}
        )
        config.distill.update(examples=32, steps=40, nets=8, iterations=800, rate=0.03, batch_size=256)
    else:
        config.distill.update(examples=320, batches=40, steps=200, labels="hard", start="noise", nets=3, batch_size=64)
        config.distill.update(iterations=800, rate=0.01, schedule="constant", b1=0.5, b2=0.999, clip=1e9, average=0.0)
        config.distill.update(inner_rate=0.02, evaluate_every=800, shared_rates=True, rate_map="softplus")
    if not study:
        config.coreset.methods = CORESETS
        return config
    config.experiment = "study"
    config.study.update(networks=NETWORKS, matrix=study != "curves", curves=None if study == "matrix" else CURVES)
    if data == "moons":
        config.study.update(published=PUBLISHED, source=SOURCE)
    return config
