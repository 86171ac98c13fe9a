"""Places in which common model servers carry ids and dates, by preset.

A preset adds ignored paths (`MatchRules.presets`); it decides nothing else. `request` places are left out of the key,
`answer` places are left out when two answers are compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """Paths (the subset of JMESPath in `core/paths.py`) to ignore in requests and in answers."""

    request: tuple[str, ...]
    answer: tuple[str, ...]


# The ids of tool calls are made by the server and come back in the conversation's next request.
# OpenAI's chat API as vLLM, TGI and DJL serve it: https://platform.openai.com/docs/api-reference/chat
_CHAT_REQUEST = ("messages[*].tool_calls[*].id", "messages[*].tool_call_id", "user")
_CHAT_ANSWER = (
    "id",
    "created",
    "system_fingerprint",
    "choices[*].message.tool_calls[*].id",
    "choices[*].delta.tool_calls[*].id",
)

PRESETS: dict[str, Preset] = {
    "tgi": Preset(request=_CHAT_REQUEST, answer=_CHAT_ANSWER),
    "vllm": Preset(request=(*_CHAT_REQUEST, "request_id"), answer=(*_CHAT_ANSWER, "request_id")),
    "djl": Preset(request=_CHAT_REQUEST, answer=_CHAT_ANSWER),
    "triton": Preset(request=("id",), answer=("id",)),
}
