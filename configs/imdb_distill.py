"""Distil 25,000 film reviews of IMDB, cut at 256 words, into one synthetic text per class.

python -m dd_al.main --config=configs/imdb_distill.py --workdir=runs/imdb

Expect 81 % (validation, one run) from 2 items where all data give 86 %. One core takes half an hour, six minutes of it
counting word vectors the first time, and 3.1 GB of memory.
"""

from dd_al.core.settings import to_config
from dd_al.experiments.settings import Settings


def get_config():
    config = to_config(Settings())
    config.data.source = "packaged"
    config.data.name = "imdb"
    config.data.length = 256
    config.full.epochs = 2
    config.distill.items = 2
    config.distill.batch_size = 128
    config.distill.iterations = 800
    return config
