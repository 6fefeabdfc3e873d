"""Label a file of your own with help: the program asks for the texts that teach it most.

python -m dd_al.main --config=configs/annotate.py --workdir=runs/mine --config.data.dir=reviews.csv \
    --config.annotate.labels=bad,good

The file holds texts (a column `text`, or lines of a .txt), of which some may have labels. The command writes
`queries/001.csv` into the work directory and stops; fill in the labels, and run it again. With
`--config.annotate.oracle=terminal` it asks at the terminal instead, one key a label. A round takes seconds; the first
one also counts word vectors, for minutes the first time.
"""

from dd_al.config import Settings, to_config


def get_config():
    config = to_config(Settings())
    config.experiment = "annotate"
    return config
