"""Try a set that was distilled from SST-2 (or SST-5) on other networks, optimizers and schedules.

python -m dd_al.main --config=configs/sst_transfer.py --config.transfer.artefact=runs/sst2 --workdir=runs/transfer2
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5)})
    return to_config(Settings(), experiment="transfer", data={"name": f"sst{variant.get('classes', 2)}"})
