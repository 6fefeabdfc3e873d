"""Turns templates of `templates/` into text: pages, cards, and the sentences of verdicts."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jinja2
from markupsafe import Markup

from dd_al.report import compare_tables, tables, words


def render(template: str, **values: Any) -> str:
    """Returns what a template makes of values. In "html" all text is escaped, wherever it comes from."""
    text = _ENVIRONMENT.get_template(template).render(**values)
    # Templates are indented for those who read them. Escaped text has no bracket, so this joins nothing but tags.
    return re.sub(r">\n\s*<", "><", text) if template.endswith(".html") else text


def flow(text: str | Markup) -> str | Markup:
    """Returns text in one line, whatever the lines of its template; what is markup stays markup."""
    return type(text)(re.sub(r"[ \n]+", " ", text).strip(" "))


def columns(rows: Iterable[Mapping], shown: Mapping[str, str], **shared: Any) -> tables.Table:
    """Returns a table of rows, with a column for each of `shown`, and "–" where a row has no value for it.

    The head of a column leads to an expression of the template language, which makes a cell of a row's values by name,
    and of those that all rows share.
    """
    cells = [_ENVIRONMENT.compile_expression(expression) for expression in shown.values()]

    def read(cell: Callable, row: Mapping) -> Any:
        try:
            return "–" if (found := cell(**shared, **row)) is None else found
        except jinja2.UndefinedError:
            return "–"

    return tables.Table(list(shown), [[read(cell, row) for cell in cells] for row in rows])


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("dd_al.report"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.globals |= {
    "as_json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    "compare_tables": compare_tables,
    "tables": tables,
    "words": words,
}
_ENVIRONMENT.filters |= {"cell": tables.Cell, "columns": columns, "flow": flow} | {
    name: getattr(words, name)
    for name in "count fraction interval known mean number percent points short spread".split()
}
