"""Label a file of your own with help: the program asks for the texts that teach its classifier most.

python -m dd_al.main --config=configs/annotate.py --workdir=runs/mine --config.data.dir=reviews.csv \
    --config.annotate.labels=bad,good

The file holds texts (a column `text`, or lines of a .txt), and some of them may have labels. The command writes
`queries/001.csv` into the work directory and stops. Fill in the labels and run it again. With
`--config.annotate.oracle=terminal` it asks at the terminal instead, one key for each label. A round takes seconds; the
first one also counts word vectors, which takes minutes the first time.
"""

from dd_al.config import Settings, to_config


def get_config():
    return to_config(Settings(), experiment="annotate")
