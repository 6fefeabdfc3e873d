"""Run everything once at toy size: a check that an installation works, not a result.

python -m dd_al.main --config=configs/smoke.py --workdir=runs/smoke
"""

from dd_al.config import Settings, to_config


def get_config():
    config = to_config(Settings())
    config.data.max_train = 400
    config.vectors.corpus = "train"
    config.vectors.dim = 16
    config.model.windows = (2,)
    config.model.filters = 8
    config.full.epochs = 2
    config.full.min_steps = 0
    config.random.rates = (1e-2,)
    config.random.dropout = (False,)
    config.random.steps = (5, 10)
    config.distill.examples = 2
    config.distill.candidates = 1
    config.distill.steps = 4
    config.distill.iterations = 6
    config.distill.nets = 2
    config.distill.batch_size = 32
    config.distill.log_every = 2
    config.distill.evaluate_every = 4
    config.evaluate.inits = 3
    config.evaluate.select_inits = 2
    return config
