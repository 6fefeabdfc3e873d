"""Distillation against active learning, coresets and random sampling on SST-2, on one axis of budgets, with costs.

python -m dd_al.main --config=configs/sst_compare.py --workdir=runs/compare

Expect, on SST-2's test split: all data 83.6 %; 8 distilled sentences 82 %, or 80 % if they are made from 1,038 bought
labels; 70 bought sentences 69 to 71 %, 1,038 of them 80 to 82 %. It takes half an hour on two cores and 4 GB of memory;
other machines may run slices of it.

:classes=5 compares on SST-5. :quick is a small comparison (two minutes). :stability adds wrong labels, outliers, other
seed sets and other networks. :verdict has the ten seeds that a verdict needs, fewer methods, and distillations as long
as those of sst_distill.py (40 minutes as two slices, a core each).
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5), "quick": bool, "stability": bool, "verdict": bool})
    config = to_config(Settings(), experiment="compare", data={"name": f"sst{variant.get('classes', 2)}"})
    # At the default, 0.02, the hypergradients of two examples reach the hundreds, and three seeds of five do not learn.
    config.distill.update(iterations=400, inner_rate=0.01)
    config.random.update(rates=(1e-3, 3e-3, 1e-2), steps=(10, 40, 160))
    if variant.get("quick"):
        config.compare.update(seeds=(0, 1), methods=("full", "random", "predictive_entropy", "distilled"))
        config.compare.update(budgets=("0.1%", "1%", "5%"), distil_up_to="0.1%", bought="5%", varied_at="5%")
        config.update(transfer={"full_rates": (4e-3,)}, random={"rates": (3e-3, 1e-2), "dropout": (False,)})
        config.distill.update(iterations=100, candidates=16)
    if variant.get("verdict"):
        config.compare.update(seeds=tuple(range(10)), budgets=("0.1%", "1%", "5%", "15%"), distil_up_to="0.1%")
        config.compare.methods = (
            "full", "random", "k_medoids", "predictive_entropy", "badge", "distilled", "distilled_bought",
        )  # fmt: skip
        config.distill.iterations = 1500
    if variant.get("stability"):
        config.compare.update(seeds=(0, 1, 2), noise=(0.1, 0.2), outliers=0.05, starts=("another", "random", "k_means"))
        config.compare.methods = (
            "full", "random", "variation_ratio", "predictive_entropy", "bald", "power_bald", "badge", "distilled",
        )  # fmt: skip
        config.compare.update(budgets=("0.1%", "1%", "5%"), distil_up_to="0.1%", bought="5%", varied_at="5%")
        config.compare.networks = ("averaging", "lstm")
    return config
