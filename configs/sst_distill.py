"""Distil SST-2 (or SST-5) into a handful of synthetic sentences: the main experiment.

python -m dd_al.main --config=configs/sst_distill.py --workdir=runs/sst2
python -m dd_al.main --config=configs/sst_distill.py:classes=5 --workdir=runs/sst5
python -m dd_al.main --config=configs/sst_distill.py:init=known --workdir=runs/sst2_known

Expect 98 to 99 % of the test accuracy on all data for SST-2: 82.5 of 83.8 % from 8 examples, or 83.1 from 2 for a known
initialisation. Expect 93 to 96 % of it for SST-5, or 98 to 99 % for known initialisations. Two cores take five minutes
(known: ten) and 2.8 GB of memory.
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.distill import KNOWN


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5), "init": ("random", "known")})
    distill = KNOWN if variant.get("init") == "known" else {}
    return to_config(Settings(), data={"name": f"sst{variant.get('classes', 2)}"}, distill=distill)
