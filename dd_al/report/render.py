"""Turns templates of `templates/` into text: pages, cards, and the sentences of verdicts."""

import json
import re
from typing import Any

import jinja2
from markupsafe import Markup

from dd_al.report import words


def render(template: str, **values: Any) -> str:
    """Returns what a template makes of values, of `words`, and of the filters below.

    Args:
        template: its name. In "html" all text is escaped, wherever it comes from.
        **values: what it reads.
    """
    text = _ENVIRONMENT.get_template(template).render(**values)
    # Templates are indented for those who read them. Escaped text has no bracket, so this joins nothing but tags.
    return re.sub(r">\n\s*<", "><", text) if template.endswith(".html") else text


def flow(text: str | Markup) -> str | Markup:
    """Returns text in one line, whatever the lines of its template; what is markup stays markup."""
    return type(text)(re.sub(r"[ \n]+", " ", text).strip(" "))


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("dd_al.report"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.globals |= {"words": words, "as_json": lambda value: json.dumps(value, indent=2, ensure_ascii=False)}
_ENVIRONMENT.filters["flow"] = flow
for _filter in (
    words.count, words.ends_of, words.fraction, words.interval, words.known, words.percent, words.points, words.spread
):  # fmt: skip
    _ENVIRONMENT.filters[_filter.__name__] = _filter
