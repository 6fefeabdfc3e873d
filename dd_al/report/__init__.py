"""Results of finished runs: their schema, their statistics, and reports made from a work directory alone.

No module here imports JAX, so a report can be rebuilt where the experiments cannot run.
"""

from dd_al.report.build import build
from dd_al.report.schema import SCHEMA, method_results, new_results, validate
from dd_al.report.statistics import bootstrap_interval, macro_f1, retention_interval, summary

__all__ = [
    "SCHEMA", "bootstrap_interval", "build", "macro_f1", "method_results", "new_results", "retention_interval",
    "summary", "validate",
]  # fmt: skip
