"""Distil your own table of numbers and categories (CSV, TSV or Parquet) into synthetic rows.

python -m dd_al.main --config=configs/table_distill.py --workdir=runs/table --config.data.dir=people.csv

The column "label" holds the classes (`--config.data.label_column`). The run reads all others, or those named in
`--config.data.columns`; a column of words becomes a 0/1 column for each word. It takes half a minute to some minutes.
"""

from dd_al.config import Settings, to_config
from dd_al.config.learner import CORESETS


def get_config():
    config = to_config(Settings(), inputs="rows", data={"name": "table"}, coreset={"methods": CORESETS})
    config.random.dropout = (False,)
    config.model.update(kind="mlp", width=64, depth=1, dropout=0.0)
    config.full.update(epochs=20, min_steps=1000, rate=1e-2)
    return config
