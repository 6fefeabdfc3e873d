"""Table 2 and figure 3 of the seed paper: original, distilled and random data of SST-2 and SST-5, over seeds.

python -m dd_al.main --config=configs/paper_table2.py --workdir=runs/table2

The table makes six whole runs, one after the other, of five to six minutes each on two cores: 35 minutes. Expect the
distilled data to keep more than the paper's 89.2 % of the accuracy on all data, and random data to keep more than its
63.8 % on SST-2 and less on SST-5. The same command continues a stopped table.
"""

from dd_al.config import Settings, to_config
from dd_al.report.words import PAPER


def get_config():
    rows = {"SST-2": "data.name=sst2; distill.examples=8", "SST-5": "data.name=sst5; distill.examples=10"}
    published = dict.fromkeys(rows, "full=98.59; distilled=87.99; random=62.90")
    table = {"rows": rows, "published": published, "source": PAPER}
    return to_config(Settings(), experiment="table", coreset={"methods": ("herding", "k_medoids")}, table=table)
