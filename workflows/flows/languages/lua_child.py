"""The child process in which Lua runs: JSON lines in, JSON lines out, nothing else.

Started with `python -I`, with limits on memory and processor time; it imports no code of
the product. Every script gets a fresh Lua, so nothing leaks from one to the next.
"""

import json
import math
import re
import resource
import signal
import sys
import time
from typing import Any

from lupa.lua52 import LuaError, LuaMemoryError, LuaRuntime, LuaSyntaxError

MEMORY_BYTES_MAX = 512 << 20
LUA_BYTES_MAX = 64 << 20
ANSWER_CHARS_MAX = 1 << 20
CPU_SECONDS_MAX = 3_600
SECONDS_MIN = 0.001
DEPTH_MAX = 64
INTEGER_MAX = 2.0**53
NO_MEMORY = "not enough memory"
BYTE_BY_BYTE = "latin-1"
"""Texts of Lua are bytes, of which any may be: they pass the border as they are."""
_HUGE = sys.float_info.max

_FORBIDDEN = [
    "io",
    "os",
    "debug",
    "package",
    "require",
    "dofile",
    "loadfile",
    "load",
    "loadstring",
    "print",
    "module",
    "coroutine",
    "python",
    "jit",
    "newproxy",
]
_NO_PATTERNS = ["match", "gmatch", "gsub", "dump"]
_NIL_CALL = re.compile(r"attempt to call (?:\w+ '[^']*' )?\(?a nil value\)?")


class Unusable(Exception):
    pass


def runtime() -> tuple[Any, Any]:
    """Return a fresh Lua, and what calls a function of it."""
    lua = LuaRuntime(
        encoding=BYTE_BY_BYTE,
        source_encoding="utf-8",
        unpack_returned_tuples=False,
        register_eval=False,
        register_builtins=False,
        attribute_filter=_refuse,
        max_memory=LUA_BYTES_MAX,
    )
    names = lua.globals()
    guarded = lua.execute(GUARD)
    for name in _FORBIDDEN:
        names[name] = None
    for name in _NO_PATTERNS:
        names.string[name] = None
    lua.execute(AS_THE_ORIGINAL)
    return lua, guarded


AS_THE_ORIGINAL = """
local find, log = string.find, math.log
string.find = function(s, t, i) return find(s, t, i, true) end
math.log10 = function(x) return log(x, 10) end
"""
"""`find` without patterns, and a function that this library has dropped."""

GUARD = """
local getinfo, kind, xpcall = debug.getinfo, type, xpcall
local function message_of(raised)
  if kind(raised) == "string" or kind(raised) == "number" then return raised end
  local at = getinfo(3, "Sl")
  local where = at and at.currentline > 0 and at.short_src .. ":" .. at.currentline .. ": " or ""
  return where .. "bad argument #-1 to '?' (string expected, got " .. kind(raised) .. ")"
end
return function(run, ...) return xpcall(run, message_of, ...) end
"""
"""Says of an error that is no text what the original says, with the line that raised it."""


def _refuse(*_: Any) -> None:
    raise AttributeError("no access to Python")


def chunk(parameters: list[str], source: str) -> tuple[str, bytes]:
    """Return the program and the name that errors show, as the original has them."""
    head = f"local {', '.join(parameters)} = select(1, ...)" if parameters else ""
    return f"{head}\n{source}", f'=[string "{head}"]'.encode()


def compiled(lua: Any, parameters: list[str], source: str) -> Any:
    program, name = chunk(parameters, source)
    return lua.compile(program, name=name)


def to_bytes(text: str) -> str:
    """Return a text with a character for each byte that Lua sees."""
    return text if text.isascii() else text.encode().decode(BYTE_BY_BYTE)


def from_bytes(text: str) -> str:
    """Return what those characters say; what says nothing becomes the sign for that."""
    return (
        text if text.isascii() else text.encode(BYTE_BY_BYTE, "replace").decode("utf-8", "replace")
    )


def to_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, str):
        return to_bytes(value)
    if isinstance(value, dict):
        members = {
            to_bytes(key): to_lua(lua, item) for key, item in value.items() if item is not None
        }
        return lua.table_from(members)
    if isinstance(value, list):
        return lua.table_from([to_lua(lua, item) for item in value])
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def to_json(value: Any, depth: int = 0) -> Any:
    if depth > DEPTH_MAX:
        raise Unusable("result nested too deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable(from_bytes(value))
    if isinstance(value, int | float):
        return number(float(value))
    # Functions and the like are nothing, as in the original.
    return table(value, depth) if hasattr(value, "items") else None


def storable(text: str) -> str:
    if "\0" in text:
        raise Unusable("result has text with a NUL")
    return text


def number(value: float) -> Any:
    if math.isnan(value):
        raise Unusable("result is not a number")
    if math.isinf(value):
        return math.copysign(_HUGE, value)
    return int(value) if value.is_integer() and abs(value) < INTEGER_MAX else value


def table(value: Any, depth: int) -> Any:
    keys = list(value.keys())
    if keys and all(isinstance(key, int | float) and not isinstance(key, bool) for key in keys):
        # As many as there are, counted from 1, as in the original: a hole costs the last ones.
        return [to_json(value[index], depth + 1) for index in range(1, len(keys) + 1)]
    return {key_text(key): to_json(item, depth + 1) for key, item in value.items()}


def key_text(key: Any) -> str:
    plain = to_json(key)
    return plain if isinstance(plain, str) else json.dumps(plain)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    lua, guarded = runtime()
    parameters = request["parameters"]
    try:
        function = compiled(lua, parameters, request["source"])
        if request["mode"] == "check":
            return {}
        given = request["arguments"]
        found = guarded(function, *(to_lua(lua, given.get(name)) for name in parameters))
        return outcome(request["mode"], found if isinstance(found, tuple) else (found,))
    except LuaSyntaxError:
        return {"broken": "syntax error"}
    except LuaMemoryError:
        return {"failed": OUT_OF_MEMORY}
    except (LuaError, Unusable, AttributeError, TypeError) as error:
        return {"failed": message_of(str(error))}


def outcome(mode: str, found: tuple[Any, ...]) -> dict[str, Any]:
    is_done, first, *_ = (*found, None)
    if not is_done:
        return {"failed": message_of(first)}
    if mode == "holds":
        return {"value": first is not None and first is not False}
    return {"value": to_json(first)}


OUT_OF_MEMORY = f"out of memory: more than {LUA_BYTES_MAX >> 20} MiB"


def message_of(raised: Any) -> str:
    """Return an error in the original's words."""
    text = from_bytes(str(raised)).split("\nstack traceback")[0]
    if NO_MEMORY in text:
        return OUT_OF_MEMORY
    return "runtime error: " + _NIL_CALL.sub("attempt to call a nil value", text)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # Its end, when it comes, is that of the process: a loop in Lua hears no signal.
        # No time at all would be no end at all.
        signal.setitimer(signal.ITIMER_PROF, max(request["seconds"], SECONDS_MIN))
        began = time.process_time()
        reply = json.dumps(answer(request))
        signal.setitimer(signal.ITIMER_PROF, 0)
        if len(reply) > ANSWER_CHARS_MAX:
            reply = json.dumps({"failed": "runtime error: result too large"})
        reply = f'{{"spent":{time.process_time() - began:.6f},"answer":{reply}}}'
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
