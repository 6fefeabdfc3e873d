"""Distil SST-2 (or SST-5) for a TextCNN, a bidirectional LSTM and a transformer at once.

python -m dd_al.main --config=configs/sst_networks.py --workdir=runs/networks2
python -m dd_al.main --config=configs/sst_transfer.py --config.transfer.artefact=runs/networks2 --workdir=runs/transfer3

Expect each network to keep 93 to 95 % of its own test accuracy on all data. One core takes a quarter of an hour and
4.3 GB of memory.
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5)})
    distill = {"also": ("lstm", "transformer"), "nets": 2, "iterations": 500}
    return to_config(Settings(), data={"name": f"sst{variant.get('classes', 2)}"}, distill=distill)
