"""Active learning on SST-2 (or SST-5): variation ratio, entropy, BALD and BADGE beside random sampling, over seeds.

python -m dd_al.main --config=configs/sst_active.py --workdir=runs/active2
python -m dd_al.main --config=configs/sst_active.py:classes=5 --workdir=runs/active5
python -m dd_al.main --config=configs/sst_active.py:inputs=sentences --workdir=runs/active_minilm  # as in sst_minilm.py
python -m dd_al.main --config=configs/sst_active.py:quick --workdir=runs/active_quick

`--config.active.queries=` selects others. A verdict needs ten seeds: `--config.active.seeds=0,1,2,3,4,5,6,7,8,9`.
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5), "inputs": ("words", "sentences"), "quick": bool})
    config = to_config(Settings(), experiment="active", data={"name": f"sst{variant.get('classes', 2)}"})
    if variant.get("inputs") == "sentences":
        config.update(inputs="sentences", full={"epochs": 20, "rate": 2e-3})
        config.model.update(kind="averaging", width=0, dropout=0.3)
        config.active.rate = 1e-3  # what random sampling does best with
    if variant.get("quick"):
        config.active.update(seeds=(0, 1), rounds=4)
    return config
