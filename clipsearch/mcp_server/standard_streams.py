"""Serve on standard input and output. A line that is no message gets an answer, where the protocol's library drops it."""

from __future__ import annotations

from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError


async def serve(server: MCPServer[Any]) -> None:
    """Serve until the input ends."""
    lowlevel = server._lowlevel_server  # the library's own `run_stdio_async` does the same, without the answers
    async with stdio_server() as (lines, answers), anyio.create_task_group() as tasks:
        sender, messages = anyio.create_memory_object_stream[SessionMessage | Exception]()

        async def pass_on() -> None:
            async with sender, lines:
                async for line in lines:
                    if not isinstance(line, Exception):
                        await sender.send(line)
                    elif error := _error(line):
                        await answers.send(SessionMessage(error))

        tasks.start_soon(pass_on)
        await lowlevel.run(messages, answers, lowlevel.create_initialization_options())
        tasks.cancel_scope.cancel()


def _error(problem: Exception) -> JSONRPCError | None:
    """The answer to a line that is no message, by JSON-RPC 2.0; None for an empty line."""
    first = problem.errors()[0] if isinstance(problem, ValidationError) else None
    if first is None or first["type"] == "json_invalid":
        if first and not str(first["input"]).strip():
            return None
        code, message = PARSE_ERROR, "Parse error: the line is not JSON"
    else:
        code, message = INVALID_REQUEST, "Invalid Request: the line is no message of JSON-RPC 2.0"
    return JSONRPCError(jsonrpc="2.0", id=None, error=ErrorData(code=code, message=message))
