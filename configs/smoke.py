"""Run everything once at toy size: a check that an installation works, not a result.

python -m dd_al.main --config=configs/smoke.py --workdir=runs/smoke
"""

from dd_al.config import Settings, to_config


def get_config():
    config = to_config(Settings())
    config.data.max_train = 400
    config.vectors.update(corpus="train", dim=16)
    config.model.update(windows=(2,), filters=8)
    config.full.update(epochs=2, min_steps=0)
    config.random.update(rates=(1e-2,), dropout=(False,), steps=(5, 10))
    config.distill.update(examples=2, candidates=1, steps=4, iterations=6, nets=2, batch_size=32)
    config.distill.update(log_every=2, evaluate_every=4)
    config.evaluate.update(inits=3, select_inits=2)
    return config
