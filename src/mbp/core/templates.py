"""Templates of Jinja beside the modules that fill them: an undefined name is an error, tags leave no blank lines."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mbp.core import wording

# For a text that has the marks of Jinja itself: [[ ]] and [% %] are filled here.
SQUARE = {
    "block_start_string": "[%",
    "block_end_string": "%]",
    "variable_start_string": "[[",
    "variable_end_string": "]]",
    "comment_start_string": "[#",
    "comment_end_string": "#]",
}


def templates(package: str, **settings: Any) -> Environment:
    """The templates in the folder `templates` of a package. In HTML and SVG every value is escaped; elsewhere the
    template's own filters do it, such as those of `mbp.core.wording`.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html.j2", "svg.j2")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **settings,
    )
    environment.filters.update(cell=wording.cell, code=wording.code, inline=wording.inline)
    return environment
