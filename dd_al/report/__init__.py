"""What a finished run says: its results schema, its statistics, and a report made from its work directory alone.

NumPy and matplotlib, no JAX: a report can be rebuilt where none of the rest can run.
"""

from dd_al.report.build import build
from dd_al.report.schema import SCHEMA, method_results, new_results, validate
from dd_al.report.statistics import accuracy, bootstrap_interval, macro_f1, retention_interval, summary

__all__ = [
    "SCHEMA",
    "accuracy",
    "bootstrap_interval",
    "build",
    "macro_f1",
    "method_results",
    "new_results",
    "retention_interval",
    "summary",
    "validate",
]
