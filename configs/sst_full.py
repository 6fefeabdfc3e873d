"""Train the TextCNN on all of SST-2 (or SST-5), with frozen and with tuned word vectors.

python -m dd_al.main --config=configs/sst_full.py --workdir=runs/full2
python -m dd_al.main --config=configs/sst_full.py:classes=5 --workdir=runs/full5

Expect 83.5 % test accuracy with frozen vectors and 83.8 % with tuned ones (SST-5: 46 %). Two cores take four minutes
and 2.9 GB of memory.
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5)})
    data = {"name": f"sst{variant.get('classes', 2)}"}
    return to_config(Settings(), experiment="train", data=data, full={"finetuned": True})
