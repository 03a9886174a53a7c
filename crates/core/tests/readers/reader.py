"""Reads bodies as a model server that is written in Python does: by json.loads, which tells the cases of names apart and
takes the last of several members of one name. Input and output are those of reader.go."""

import base64
import json
import sys


def leaf(value):
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        # Half of a pair of surrogates cannot be written as text.
        return "s:" + value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, (int, float)):
        return "#number"
    return "#array" if isinstance(value, list) else "#object"


def record(value, **fields):
    if not isinstance(value, dict):
        return leaf(value)
    return {name: read(value.get(name)) for name, read in fields.items()}


def items(value, read):
    return [read(item) for item in value] if isinstance(value, list) else leaf(value)


def function(value):
    return record(value, name=leaf, description=leaf, arguments=leaf, strict=leaf)


def cache(value):
    return record(value, type=leaf, ttl=leaf)


def audio(value):
    return record(value, data=leaf, format=leaf, voice=leaf)


def part(value):
    return record(
        value,
        type=leaf,
        text=leaf,
        refusal=leaf,
        id=leaf,
        name=leaf,
        tool_use_id=leaf,
        is_error=leaf,
        content=content,
        cache_control=cache,
        image_url=lambda it: record(it, url=leaf, detail=leaf),
        input_audio=audio,
        file=lambda it: record(it, file_id=leaf, file_data=leaf, filename=leaf),
        source=lambda it: record(it, type=leaf, media_type=leaf, data=leaf, url=leaf),
    )


def content(value):
    return items(value, part) if isinstance(value, list) else part(value)


def message(value):
    return record(
        value,
        role=leaf,
        content=content,
        name=leaf,
        thinking=leaf,
        reasoning_content=leaf,
        tool_call_id=leaf,
        tool_name=leaf,
        images=lambda it: items(it, leaf),
        function_call=function,
        tool_calls=lambda it: items(
            it, lambda call: record(call, id=leaf, type=leaf, function=function)
        ),
    )


def tool(value):
    return record(
        value,
        type=leaf,
        function=function,
        custom=function,
        name=leaf,
        description=leaf,
        cache_control=cache,
    )


def reasoning(value):
    return record(value, effort=leaf, summary=leaf, type=leaf, budget_tokens=leaf)


def bound(value):
    value = leaf(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return None if is_number and value <= 0 else value


def request(shape, body):
    read = record(
        body,
        model=leaf,
        stream=leaf,
        n=leaf,
        store=leaf,
        user=leaf,
        system=content,
        reasoning_effort=leaf,
        keep_alive=leaf,
        think=leaf,
        messages=lambda it: items(it, message),
        tools=lambda it: items(it, tool),
        functions=lambda it: items(it, function),
        function_call=function,
        tool_choice=lambda it: record(
            it,
            type=leaf,
            name=leaf,
            function=function,
            custom=function,
            allowed_tools=lambda allowed: record(
                allowed, mode=leaf, tools=lambda tools: items(tools, tool)
            ),
        ),
        response_format=lambda it: record(
            it,
            type=leaf,
            json_schema=lambda schema: record(schema, name=leaf, strict=leaf),
        ),
        stream_options=lambda it: record(it, include_usage=leaf),
        reasoning=reasoning,
        thinking=reasoning,
        web_search_options=lambda it: record(it, search_context_size=leaf),
        prediction=lambda it: record(it, type=leaf, content=content),
        audio=audio,
        options=lambda it: record(it, num_ctx=leaf),
    )
    if read["stream"] is None:
        read["stream"] = shape == "native"
    most = bound(body.get("max_tokens"))
    if shape == "completions":
        own = bound(body.get("max_completion_tokens"))
        most = most if own is None else own
    if shape == "native":
        options = body.get("options")
        most = bound(options.get("num_predict")) if isinstance(options, dict) else None
    read["bound"] = most
    return read


def main():
    for line in sys.stdin:
        shape, encoded = line.split()
        try:
            body = json.loads(base64.b64decode(encoded))
        except (ValueError, RecursionError):
            body = None
        read = request(shape, body) if isinstance(body, dict) else None
        print(json.dumps(read))


main()
