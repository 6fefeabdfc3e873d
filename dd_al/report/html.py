"""HTML that cannot forget to escape: text becomes markup only by going through `tag`."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """A string that is HTML already; every other string is escaped when it is put into a tag."""


Content = str | Iterable["Content"]


def markup(content: Content) -> Markup:
    """Returns `content` (text, markup, or any nesting of lists of them) as markup, with the text escaped."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return Markup(escape(content))
    return Markup("".join(map(markup, content)))


def tag(name: str, /, *content: Content, **attributes: str) -> Markup:
    """Returns one element.

    Args:
        name: of the element.
        *content: what is inside, escaped unless it is markup.
        **attributes: escaped; "_" in a name becomes "-" and a last one is dropped (`class_`, `data_label`).
    """
    shown = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    opened = f"<{name}{shown}>"
    return Markup(opened if name in ("img", "meta", "link", "br") else f"{opened}{markup(content)}</{name}>")


def table(head: Sequence[str], rows: Iterable[Sequence[Content]], **attributes: str) -> Markup:
    """Returns a table whose first column names the row; on a phone each row becomes a card of the values it has."""
    body = []
    for first, *rest in rows:
        cells = [
            tag("td", cell, data_label=label, **({"class_": "none"} if cell == "–" else {}))
            for label, cell in zip(head[1:], rest, strict=True)
        ]
        body.append(tag("tr", tag("th", first, scope="row"), cells))
    top = tag("thead", tag("tr", [tag("th", label, scope="col") for label in head]))
    return tag("table", top, tag("tbody", body), **attributes)


def pairs(rows: Iterable[tuple[Content, Content]]) -> Markup:
    """Returns a two-column table of names and values."""
    lines = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in rows]
    return tag("table", tag("tbody", lines), class_="pairs")


def picture(png: bytes, title: str, caption: Content) -> Markup:
    """Returns a figure with the PNG inside it, on white in every colour scheme."""
    source = "data:image/png;base64," + b64encode(png).decode()
    return tag("figure", tag("img", src=source, alt=title), tag("figcaption", tag("b", title + ". "), caption))


def page(title: str, *content: Content) -> str:
    """Returns a whole document that loads nothing: the policy in its head forbids requests and scripts."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),  # or the browser asks the server for one
        tag("title", title),
        tag("style", Markup(_STYLE)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", tag("main", *content)), lang="en") + "\n"


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --card: #f4f6f8; --line: #d5dae0; --word: 0, 114, 178;
  --warn: #7a4a00; --warn-paper: #fff3d6; --warn-line: #e69f00; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9da7b1; --paper: #15181c; --card: #1f2429;
  --line: #3a4149; --word: 86, 180, 233; --warn: #ffd58a; --warn-paper: #3a2c0d; --warn-line: #b57d00; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .7rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
p { margin: .6rem 0; max-width: 46rem; overflow-wrap: anywhere; }
small, .soft, figcaption { color: var(--soft); font-size: .86rem; }
.verdict { font-size: 1.16rem; line-height: 1.5; }
.banner { background: var(--warn-paper); color: var(--warn); border: 1px solid var(--warn-line);
  border-left-width: .5rem; border-radius: .3rem; padding: .6rem .9rem; margin: 1rem 0; max-width: none; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem .45rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; font-size: .84rem; vertical-align: bottom; }
.numbers td, .numbers thead th + th { text-align: right; }
.numbers td { white-space: nowrap; }
.numbers td:has(div) { white-space: normal; text-align: left; min-width: 16rem; overflow-wrap: anywhere; }
.numbers tr > :last-child { padding-right: 0; }
.numbers small { display: block; }
.pairs th { width: 14rem; font-weight: 500; color: var(--soft); }
.pairs td { overflow-wrap: anywhere; }
code, pre { font: .86rem/1.5 ui-monospace, "Liberation Mono", Menlo, monospace; }
pre { background: var(--card); padding: .8rem 1rem; border-radius: .3rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
summary { cursor: pointer; margin: .6rem 0; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 1.2rem; }
figure { margin: 0; max-width: 36rem; }
figure img { display: block; width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: .3rem; padding: .3rem; }
figcaption { margin-top: .35rem; }
.item { margin: 1rem 0; padding: .7rem .9rem; background: var(--card); border-radius: .3rem; break-inside: avoid; }
.item p { max-width: none; margin: .35rem 0 0; }
.words { line-height: 2; }
.words span { background: rgba(var(--word), calc(var(--near) * .55)); border-radius: .2rem; padding: .1rem .25rem;
  margin-right: .15rem; cursor: help; }
@media (max-width: 40rem) {
  main { padding: 1rem .9rem 3rem; }
  .numbers thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .numbers, .numbers tbody, .numbers tr, .numbers td, .numbers th, .pairs, .pairs tbody, .pairs tr, .pairs th, .pairs td
    { display: block; width: auto; }
  .numbers tr, .pairs tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .numbers th, .numbers td, .pairs th, .pairs td { border: 0; padding: .1rem 0; }
  .numbers td { display: flex; justify-content: space-between; gap: 1rem; text-align: right; }
  .numbers td.none { display: none; }
  .numbers td::before { content: attr(data-label); color: var(--soft); text-align: left; }
}
@media print {
  :root { --ink: #000; --soft: #444; --paper: #fff; --card: #f4f6f8; --line: #ccc; --word: 0, 114, 178; --warn: #000;
    --warn-paper: #fff; }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  .figures { grid-template-columns: 1fr 1fr; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2 { break-after: avoid; }
  figure, tr, .banner { break-inside: avoid; }
}
"""
