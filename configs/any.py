"""Distil your own labelled texts: the default settings, on the file or folder that --config.data.dir names.

python -m dd_al.main --config=configs/any.py --workdir=runs/mine --config.data.dir=reviews.csv

Time and memory grow with the classes and the length of the texts: on one core from two minutes for short texts of two
classes to an hour. docs/results.md measures these settings on data that they were not tuned on.
"""

from dd_al.config import Settings, to_config


def get_config():
    return to_config(Settings(), data={"source": "local", "name": "mine"})
