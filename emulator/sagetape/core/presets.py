"""Places in which common model servers carry ids and dates, by preset.

A preset adds ignored paths (`MatchRules.presets`) and decides nothing else. `request` places are left out of the key,
`answer` places when two answers are compared. Only what is new in each call is listed: a seed, a user's name, Triton's
`parameters.sequence_id` (its stateful session) change the answer and stays in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .values import valueclass


@valueclass(frozen=True, slots=True)
class Preset:
    """Paths (in the language of `core/paths.py`) to ignore in requests and in answers."""

    request: tuple[str, ...]
    answer: tuple[str, ...]


# OpenAI's chat and completion API, which all three serve: https://platform.openai.com/docs/api-reference/chat
# The server makes the ids of tool calls, and the next request of the conversation brings them back.
_CHAT_REQUEST: Final = ("messages[*].tool_calls[*].id", "messages[*].tool_call_id")
_CHAT_ANSWER: Final = (
    "id",
    "created",
    "choices[*].message.tool_calls[*].id",
    "choices[*].delta.tool_calls[*].id",
)

PRESETS: Final[Mapping[str, Preset]] = {
    # https://huggingface.co/docs/text-generation-inference/messages_api
    "tgi": Preset(request=_CHAT_REQUEST, answer=_CHAT_ANSWER),
    # https://docs.vllm.ai/en/stable/serving/openai_compatible_server/, extra parameter request_id
    "vllm": Preset(request=(*_CHAT_REQUEST, "request_id"), answer=_CHAT_ANSWER),
    # https://docs.djl.ai/master/docs/serving/serving/docs/lmi/user_guides/chat_input_output_schema.html
    "djl": Preset(request=_CHAT_REQUEST, answer=_CHAT_ANSWER),
    # https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
    "triton": Preset(request=("id",), answer=("id",)),
}
