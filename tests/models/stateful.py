"""A container that keeps a conversation per session: what it answers depends on all that was said in the session.

Opens on `X-Amzn-SageMaker-Session-Id: NEW_SESSION`, closes on the body `{"requestType": "CLOSE"}`, and answers
`{"text": "..."}` with the n-gram model's continuation of the whole conversation. `--spelling` chooses the header of the
opening answer: `session` as the SageMaker Developer Guide has it (X-Amzn-SageMaker-Session-Id), `new` as AWS's
model-hosting-container-standards has it (X-Amzn-SageMaker-New-Session-Id). Texts of refusals and successes as there.
Called for a stream within a session it answers word by word. Without a session it answers and remembers nothing.
"""

from __future__ import annotations

import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if not __package__:  # started by its path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from aiohttp import web

from tests.models.ngram import Ngram, read_corpus
from tests.models.serving import Unreadable, arguments, new_app, parse_json, serve
from tests.models.text import is_stream, stream_words

SESSION = "X-Amzn-SageMaker-Session-Id"
SPELLINGS = {"session": SESSION, "new": "X-Amzn-SageMaker-New-Session-Id"}
CLOSED = "X-Amzn-SageMaker-Closed-Session-Id"
REPLY_WORDS = 12


@dataclass
class Session:
    """What was said, and until when it is remembered (Unix seconds)."""

    expires: float
    said: list[str] = field(default_factory=list)


@dataclass
class Conversations:
    """All open sessions."""

    model: Ngram
    ttl_s: float
    spelling: str
    sessions: dict[str, Session] = field(default_factory=dict)

    def open(self) -> web.Response:
        """A new session: its id and end in the header, AWS's words in the body."""
        name = str(uuid.uuid4())
        expires = time.time() + self.ttl_s
        self.sessions[name] = Session(expires)
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
        headers = {SPELLINGS[self.spelling]: f"{name}; Expires={until}"}
        return web.json_response({"result": f"Session {name} created"}, headers=headers)

    def close(self, name: str) -> web.Response:
        """Forget a session."""
        self.sessions.pop(name)
        return web.json_response({"result": f"Session {name} closed"}, headers={CLOSED: name})

    def find(self, name: str) -> Session | None:
        """An open session that has not expired; expired ones are forgotten."""
        now = time.time()
        self.sessions = {key: kept for key, kept in self.sessions.items() if kept.expires > now}
        return self.sessions.get(name)

    def reply(self, session: Session, text: str) -> list[str]:
        """The words of the answer to all that was said; both sides are remembered."""
        session.said.append(text)
        words = list(self.model.continue_text(" ".join(session.said), words=REPLY_WORDS, seed=len(session.said)))
        session.said.append("".join(words).strip())
        return words


def read_text(wish: dict[str, Any]) -> str:
    """What the caller says. Raises Unreadable."""
    text = wish.get("text")
    if not isinstance(text, str):
        raise Unreadable('expected {"text": "..."} or {"requestType": "NEW_SESSION" | "CLOSE"}')
    return text


def make_app(talks: Conversations, *, wait_s: float) -> web.Application:
    """The container around its conversations."""

    async def invoke(request: web.Request) -> web.StreamResponse:
        wish = parse_json(await request.read())
        name = request.headers.get(SESSION)
        if name == "NEW_SESSION":
            return talks.open()
        session = Session(0) if name is None else talks.find(name)
        if session is None:
            raise Unreadable(f"Bad request: session not found: {name}")
        if wish.get("requestType") == "CLOSE" and name is not None:
            return talks.close(name)
        words = talks.reply(session, read_text(wish))
        if is_stream(request, wish):
            return await stream_words(request, words, wait_s=wait_s, fail_after=0)
        return web.json_response({"reply": "".join(words).strip(), "turn": len(session.said) // 2})

    app = new_app()
    app.router.add_post("/invocations", invoke)
    return app


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--ttl-s", type=float, default=1200, help="after which a session is forgotten")
    parser.add_argument("--spelling", choices=SPELLINGS, default="session", help="header of the opening answer")
    parser.add_argument("--wait-s", type=float, default=0.0, help="between the chunks of a stream")
    options = parser.parse_args()
    conversations = Conversations(Ngram(read_corpus().values()), options.ttl_s, options.spelling)
    serve(make_app(conversations, wait_s=options.wait_s), options.port)
