"""The settings of Sucholutsky & Schonlau (2019), one table for each of their data sets, beside their numbers.

python -m dd_al.main --config=configs/peers.py:data=sst5 --workdir=runs/peers_sst5
python -m dd_al.main --config=configs/peers.py:data=imdb --workdir=runs/peers_imdb
DD_AL_DATA=my_data python -m dd_al.main --config=configs/peers.py:data=trec6 --workdir=runs/peers_trec6

Three seeds of three or four rows are nine or twelve whole runs, of five to twenty minutes each on two cores (an
estimate). Run it overnight, or take one seed with `--config.table.seeds=0`. The same command continues a stopped table.

TREC-6 comes from your own copy (`my_data/trec6`, or `--config.data.dir`), else from the hub.
"""

from dd_al.config import Settings, parse_variant, to_config
from dd_al.config.distill import KNOWN

_SOURCE = (
    "Published: Sucholutsky & Schonlau 2019, arXiv 1910.02551, and the logs beside their code, with GloVe vectors of "
    "100 numbers and their checkpoints chosen on test. Their 'fixed init' is our known initialisation, and n/class is "
    "n sentences for each class in every distilled step; ours are n sentences for each class in all, met again in "
    "every step. "
)
_IMDB = "Their IMDB has 25,000 reviews for training and as many for test; the packaged one has 25,000 in all. "
_GRID = (
    "Rows of 20 per class choose the random subsets' training from a smaller grid than the others, without dropout. "
)
_PUBLISHED = {
    "sst5": {
        "SST-5 BiRNN, known, 1 per class": "distilled=36.0 to 38.0",
        "SST-5 BiRNN, known, 20 per class": "distilled=36.8",
        "SST-5 BiRNN, random, 1 per class": "distilled=23.4 ± 2.3",
        "SST-5 BiRNN, random, 20 per class": "distilled=27.8 ± 2.2",
    },
    "imdb": {
        "IMDB TextCNN, known, 1 per class": "full=87; distilled=78.3",
        "IMDB TextCNN, random, 1 per class": "full=87; distilled=69.6 ± 5.5",
        "IMDB TextCNN, random, 10 per class": "full=87; distilled=74.3 ± 3.0",
    },
    "trec6": {
        "TREC-6 BiLSTM, known, 1 per class": "distilled=87.4",
        "TREC-6 BiLSTM, known, 20 per class": "distilled=87.8",
        "TREC-6 BiLSTM, random, 1 per class": "distilled=62.0 ± 8.8",
        "TREC-6 BiLSTM, random, 20 per class": "",
    },
}
# A recurrent network takes seconds for a step on so many sentences: fewer starts and schedules to choose among.
_MANY = (
    "; distill.candidates=4; distill.nets=2; distill.batch_size=128; random.dropout=false; "
    "random.steps=10,20,40; random.rates=1e-3,3e-3,1e-2"
)
_NETWORKS = {"sst5": ("rnn", 5), "imdb": ("text_cnn", 2), "trec6": ("lstm", 6)}  # with the classes of the data


def get_config(arg=None):
    data = parse_variant(arg, {"data": tuple(_PUBLISHED)}).get("data", "sst5")
    network, classes = _NETWORKS[data]
    config = to_config(Settings(), experiment="table", data={"name": data}, model={"kind": network})
    config.distill.iterations = 400
    if data == "imdb":
        config.data.update(source="packaged", length=256)
        config.update(full={"epochs": 2}, distill={"batch_size": 128})
    config.table.rows = {name: _changes(name, classes) for name in _PUBLISHED[data]}
    config.table.published = {name: text for name, text in _PUBLISHED[data].items() if text}
    config.table.source = _SOURCE + (_IMDB if data == "imdb" else _GRID)
    return config


def _changes(name, classes):
    """What a row's name says, as keys: "DATA NETWORK, init, n per class"."""
    _, init, per_class = name.split(", ")
    items = classes * int(per_class.split()[0])
    teacher = f"; distill.teacher={KNOWN['teacher']}" if init == "known" else ""
    return f"distill.init={init}; distill.examples={items}{teacher}" + (_MANY if items >= 100 else "")
