"""The protocol of Jacobs et al. (2021) on SST-5: a pretrained encoder, 593 first labels, 85 a query, to the pool's end.

python -m dd_al.main --config=configs/jacobs.py --workdir=runs/jacobs
python -m dd_al.main --config=configs/jacobs.py --config.encoder.name=google-bert/bert-base-uncased --workdir=runs/bert
python -m dd_al.main --config=configs/jacobs.py:quick --workdir=runs/jacobs_quick

The encoder is all-MiniLM-L6-v2. The paper (arXiv 2109.04847) uses BERT-base, which the second command loads from the
hub (try `--config.active.rate=2e-5` with it). The whole protocol needs an accelerator: 94 rounds of three seeds and
seven queries. `:quick` makes three queries of each kind, for one seed and three kinds, and scores 256 texts each time.
It takes 43 minutes on one core.

Differences from the paper: word-piece vectors stay as published, the optimizer is Adam without weight decay, and the
rate falls along a half cosine.
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"quick": bool})
    config = to_config(Settings(), experiment="active", inputs="pieces", data={"name": "sst5", "length": 50})
    config.model.update(kind="encoder", dropout=0.2)
    config.learner.eps_root = 1e-12  # the encoder's gradients are small
    config.full.update(epochs=5, min_steps=0, batch_size=128, rate=1e-4)
    config.active.update(
        queries=("random", "variation_ratio", "predictive_entropy", "bald", "ret", "rect", "sud"), seeds=(0, 1, 2),
        start_size=593, size=85, rounds=None, passes=10, steps=1, epochs=15, batch_size=128, rate=1e-4,
    )  # fmt: skip
    if variant.get("quick"):
        config.active.update(queries=("random", "predictive_entropy", "bald"), seeds=(0,), rounds=3, subset=256)
        config.active.update(epochs=5, batch_size=32)
        config.update(full={"epochs": 2}, data={"length": 32})
    return config
