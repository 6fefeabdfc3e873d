"""One module or folder per question; each has ``run(settings, workdir)``."""

EXPERIMENTS = {
    "distill": "dd_al.experiments.distill",
    "train": "dd_al.experiments.train",
    "active": "dd_al.experiments.active",
    "annotate": "dd_al.experiments.annotate",
    "study": "dd_al.experiments.study.run",
    "table": "dd_al.experiments.table",
    "transfer": "dd_al.experiments.transfer",
    "compare": "dd_al.experiments.compare.run",
}
