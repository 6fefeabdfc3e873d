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
    config = to_config(Settings())
    config.experiment = "active"
    config.data.name = "sst5"
    config.data.length = 50
    config.inputs = "pieces"
    config.model.kind = "encoder"
    config.model.dropout = 0.2
    config.learner.eps_root = 1e-12  # the encoder's gradients are small
    config.full.epochs, config.full.min_steps, config.full.batch_size, config.full.rate = 5, 0, 128, 1e-4
    config.active.queries = (
        "random", "variation_ratio", "predictive_entropy", "bald", "ret", "rect", "sud"
    )  # fmt: skip
    config.active.seeds = (0, 1, 2)
    config.active.start_size, config.active.size, config.active.rounds = 593, 85, None
    config.active.passes = 10
    config.active.steps, config.active.epochs, config.active.batch_size, config.active.rate = 1, 15, 128, 1e-4
    if variant.get("quick"):
        config.active.queries = ("random", "predictive_entropy", "bald")
        config.active.seeds = (0,)
        config.active.rounds = 3
        config.active.subset = 256
        config.active.epochs, config.active.batch_size = 5, 32
        config.full.epochs = 2
        config.data.length = 32
    return config
