"""Distil your own labelled texts: the defaults, on the file or folder that --config.data.dir names.

python -m dd_al.main --config=configs/any.py --workdir=runs/mine --config.data.dir=reviews.csv

Memory and time grow with the number of classes and the length of the texts: from two minutes for short texts of two
classes to an hour on one core. What the defaults keep on data that they were not tuned on: python -m benchmarks.unseen.
"""

from dd_al.config import Settings, to_config


def get_config():
    config = to_config(Settings())
    config.data.update(source="local", name="mine")
    return config
