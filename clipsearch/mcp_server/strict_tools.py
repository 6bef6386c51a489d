"""Tools that refuse arguments which they do not have, and name each wrong one in a sentence.

The protocol's library ignores unknown arguments: a filter with a wrong name would silently search all photos.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import ToolAnnotations
from pydantic import ValidationError

from clipsearch.render.json_output import utf8
from clipsearch.render.text import shorten
from clipsearch.render.wrong_values import MOST_SHOWN, in_plain_words

_MOST_NAMED = 5  # wrong arguments in one answer


class StrictTool(Tool):
    """A tool whose schema forbids other arguments."""

    def model_post_init(self, context: Any, /) -> None:
        """Forbid other arguments, in the check and in the schema that assistants read."""
        arguments = self.fn_metadata.arg_model  # made for this tool alone
        arguments.model_config["extra"] = "forbid"
        arguments.model_rebuild(force=True)
        self.parameters = arguments.model_json_schema(by_alias=True)

    async def run(self, arguments: dict[str, Any], *more: Any, **options: Any) -> Any:
        """The tool's answer. ToolError names every wrong argument; the library would give pydantic's text."""
        metadata = self.fn_metadata
        try:
            metadata.arg_model.model_validate(metadata.pre_parse_json(arguments))
        except ValidationError as error:
            raise ToolError(utf8(self._wrong(error))) from error
        return await super().run(arguments, *more, **options)

    def _wrong(self, error: ValidationError) -> str:
        """A line for each wrong argument."""
        problems = error.errors(include_url=False)
        names = [(name, list(same)) for name, same in groupby(problems, _argument)]
        lines = [self._sentence(name, same) for name, same in names[:_MOST_NAMED]]
        if len(names) > _MOST_NAMED:
            lines.append(f"{len(names) - _MOST_NAMED} more arguments are wrong")
        return "\n".join(lines)

    def _sentence(self, name: str, problems: Sequence[Any]) -> str:
        """What is wrong with one argument. Several problems are those of the types that it may have."""
        first = problems[0]
        if first["type"] == "extra_forbidden":
            known = ", ".join(self.parameters["properties"])
            has = f"its arguments are {known}" if known else "it takes no arguments"
            return f"{self.name} has no argument {shorten(name, MOST_SHOWN)!r}; {has}"
        if first["type"] == "missing":
            return f"{name} is missing"
        inside = "".join(f"[{part}]" for part in first["loc"][1:] if isinstance(part, int))
        same_value = [problem for problem in problems if problem["input"] is first["input"]]
        words = list(dict.fromkeys(in_plain_words(problem) for problem in same_value))
        text = " or ".join([words[0], *(other.removeprefix("give ") for other in words[1:])])
        return f"{name}{inside}: {text}{_instead(first['input']) if text.startswith('give ') else ''}"


def strict_tool(function: Callable[..., Any], title: str, annotations: ToolAnnotations) -> Tool:
    """A function as a tool: its name, its description and its arguments."""
    return StrictTool.from_function(function, title=title, annotations=annotations)


def _argument(problem: Any) -> str:
    """The name of the wrong argument; "the arguments" if pydantic gives none, because the name is not Unicode."""
    return str(problem["loc"][0]) if problem["loc"] else "the arguments"


def _instead(value: object) -> str:
    """The value that was given. A list or an object is not repeated."""
    if value is not None and not isinstance(value, (str, int, float)):
        return ""
    return f", not {shorten(json.dumps(value, ensure_ascii=False), MOST_SHOWN)}"
