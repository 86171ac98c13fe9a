"""Secrets that are known by what stands before them: `password: ...`, `Authorization: Basic ...`, `scheme://user:...@`.

Decides which labels count and what a value after one must look like. A prefix of a fixed form (`core/secrets.py`) needs
no such rule; after a label stands, in what models write, mostly a word, a type or a placeholder, and a hit refuses the
record. It refuses to guess without a label, and to take these for secrets:

- what is shorter than `PASSWORD_CHARS_MIN` after a label of a password (`LOGIN_CHARS_MIN` in a URL), or than
  `KEY_CHARS_MIN` after one of a key or token;
- what holds no digit, or no letter (in a URL such a one counts all the same, when it is no placeholder);
- what is made of placeholder words (`your_api_key`, `password123`, `xxxx`), or holds `${`, `{{`, `<` or `***`;
- without quotes: names and calls of a program (`config.db2_pass`, `get_password2()`).

A label of AWS's secret keys is the exception: forty characters of base64 after it are one, whatever they are.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html, RFC 7617 (Basic), RFC 6750
(Bearer), RFC 3986 3.2.1 (user information in a URL).
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, TypeAlias

PASSWORD_CHARS_MIN: Final = 8
LOGIN_CHARS_MIN: Final = 4
KEY_CHARS_MIN: Final = 16
JUDGED_CHARS: Final = 64  # of a value; it bounds what a row of labels costs
WINDOW_BYTES: Final = 640  # around a separator: the longest label before it, the longest value behind it
LABEL_BYTES: Final = 64
SPARSE: Final = 2_048  # fewer separators than one in so many bytes: only what is around them is read

_BETWEEN = rb"[\\\"'`\s]{0,12}(?:[:=,>]|=>|:=|%3[AaDd])[\\\"'`\s>]{0,12}"
_QUOTED_OR_PLAIN = rb"[\\\"'`\s]{0,12}(?:[:=>]|:=|%3[AaDd])(?:[\s\\]{0,8}(?P<quote>[\"'`])|[\s\\>]{0,8})"
_VALUE = rb"(?P<value>[^\s\"'`\\<>,;&(){}\[\]]{1,512})(?P<after>.?)"
_TYPE = rb"(?:[_ -]?(?:access[_ -]?key|key|token|value|text|string))?"

_AWS_KEY = re.compile(
    rb"(?i:secret[ _-]{0,2}(?:access)?[ _-]{0,2}key)" + _BETWEEN + rb"(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)
_PASSWORD = re.compile(rb"(?i:passw(?:or)?d|passphrase|pwd|secret)" + _TYPE + _QUOTED_OR_PLAIN + _VALUE, re.DOTALL)
_KEY = re.compile(
    rb"(?i:api[_ -]?key|(?:access|private|account|shared|signing|encryption)[_ -]?key|token)"
    + _QUOTED_OR_PLAIN
    + _VALUE,
    re.DOTALL,
)
_SCHEME = re.compile(rb"(?i:bearer|token)[ \t]+(?P<value>[A-Za-z0-9._~+/=-]{16,512})")
_BASIC = re.compile(rb"(?i:basic)[ \t]+(?P<value>[A-Za-z0-9+/]{6,512}={0,2})(?![A-Za-z0-9+/=])")
_LOGIN = re.compile(rb":(?:\\?/){2}[^\s/:@\"'`\\<>]{0,128}:(?P<value>[^\s/@\"'`\\<>]{4,256})@(?=[A-Za-z0-9\[])")

_CODE = re.compile(r"[A-Za-z_][A-Za-z_]*[0-9]{0,2}(?:[._-][A-Za-z]+[0-9]{0,2})*[.:]?")
_HEX = re.compile(r"[0-9a-fA-F-]+")
_NAME = re.compile(r"[a-z0-9]{1,10}(?:[._-][a-z0-9]{1,10}){2,}")  # `model_v2_large_128k_2024`
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_HOLES: Final = ("${", "{{", "$(", "<", "***", "%s", "%(", "...", "://")
_PAGES: Final = (b"next", b"page", b"pagination", b"continuation", b"continue", b"sync", b"client", b"request")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_PLACEHOLDERS: Final = frozenset(
    (
        "access", "account", "admin", "an", "and", "any", "api", "auth", "aws", "bar", "base", "baz", "bearer",
        "bucket", "change", "changed", "changeit", "changeme", "char", "character", "characters", "chars", "client",
        "config", "credential", "credentials", "database", "db", "default", "demo", "dummy", "empty", "enter", "env",
        "example", "fake", "false", "field", "file", "foo", "generated", "given", "go", "goes", "guest", "has", "hash",
        "hashed", "here", "hidden", "id", "input", "insert", "is", "it", "jwt", "key", "least", "leave", "length",
        "long", "mask", "masked", "max", "min", "minimum", "model", "must", "my", "mypassword", "mysecret", "name",
        "new", "none", "not", "null", "number", "of", "old", "optional", "or", "pass", "passphrase", "passwd",
        "password", "placeholder", "postgres", "private", "prod", "public", "put", "pwd", "random", "real", "redacted",
        "removed", "replace", "required", "root", "sample", "scrubbed", "secret", "server", "session", "should", "sk",
        "some", "str", "string", "strong", "super", "test", "testing", "text", "the", "this", "to", "todo", "token",
        "true", "type", "undefined", "use", "user", "username", "value", "var", "with", "x", "xx", "xxx", "xxxx",
        "xxxxx", "xxxxxx", "xxxxxxxx", "your", "yours",
    )
)  # fmt: skip

_ASCII: Final = bytes(1 if 32 <= byte < 127 or byte in b"\t\r\n" else 0 for byte in range(256))
_STRETCH: Final = b"\x01" * 12  # `pwd=` and eight characters
_MARK = re.compile(rb"[:=>]|(?i:asic |earer )")
Judge: TypeAlias = Callable[[re.Match[bytes], bytes], bool]


def find_labelled(data: bytes) -> Iterator[tuple[str, bytes]]:
    """What stands after a label and looks like a secret, with its kind. Linear in the data."""
    for window in _windows(data):
        lowered = window.lower()
        for kind, literal, pattern, is_secret in LABELS:
            start = lowered.find(literal)
            while start >= 0:
                found = pattern.match(window, start)
                if found is not None and is_secret(found, window):
                    yield kind, found["value"]
                start = lowered.find(literal, start + len(literal))


def _windows(data: bytes) -> Iterator[bytes]:
    """The data, or, where separators are rare (base64, numbers), what is around them."""
    if len(data) < SPARSE:
        if _MARK.search(data):
            yield data
        return
    if b"\x00" in data:
        yield from _texts(data)
        return
    marks = [(mark, data.count(mark)) for mark in (b":", b"=", b">", b"asic ", b"earer ", b"ASIC ", b"EARER ")]
    if sum(count for _, count in marks) * SPARSE > len(data):
        yield data
        return
    places = sorted(place for mark, count in marks if count for place in _all(data, mark))
    end = 0
    for place in places:
        if place >= end - WINDOW_BYTES // 2 or not end:
            start, end = max(place - LABEL_BYTES, 0), place + WINDOW_BYTES
            yield data[start:end]


def _texts(data: bytes) -> Iterator[bytes]:
    """The stretches of ASCII text in binary data that could hold a label and a value."""
    classes = data.translate(_ASCII)
    start = classes.find(_STRETCH)
    while start >= 0:
        end = classes.find(b"\x00", start)
        yield data[start : end if end >= 0 else len(data)]
        start = classes.find(_STRETCH, end) if end >= 0 else -1


def _all(data: bytes, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place
        place = data.find(mark, place + 1)


# --- judges --------------------------------------------------------------------------------------------------------


def _is_any(_found: re.Match[bytes], _data: bytes) -> bool:
    return True


def _is_password(found: re.Match[bytes], _data: bytes) -> bool:
    """Behind `password`, `secret` and their kin."""
    value = found["value"][:JUDGED_CHARS].decode("latin-1")
    if len(value) < PASSWORD_CHARS_MIN or not has_digit_and_letter(value) or is_placeholder(value):
        return False
    is_code = found["after"] in (b"(", b"[", b"{") or value[0] in "/~" or _CODE.fullmatch(value) is not None
    return found["quote"] is not None or not is_code


def _is_key(found: re.Match[bytes], data: bytes) -> bool:
    """Behind `api_key`, `access_key`, `token` and their kin."""
    value, before = (
        found["value"][:JUDGED_CHARS].decode("latin-1"),
        data[max(found.start() - 16, 0) : found.start()].lower(),
    )
    if len(value) < KEY_CHARS_MIN or not is_generated(value):
        return False
    if found[0][:5].lower() == b"token":
        bare = before.rstrip(b"_-")
        return not bare.endswith(_PAGES) and not _UUID.fullmatch(value)
    return True


def _is_scheme(found: re.Match[bytes], _data: bytes) -> bool:
    return is_generated(found["value"][:JUDGED_CHARS].decode("latin-1"))


def _is_basic(found: re.Match[bytes], _data: bytes) -> bool:
    """Whether it decodes to `user:password`, both printable, and the password is no placeholder."""
    try:
        text = a2b_base64(found["value"] + b"=" * (-len(found["value"]) % 4)).decode()
    except (Base64Error, UnicodeDecodeError):
        return False  # a word of a sentence: nobody's name and password
    user, colon, password = text.partition(":")
    return bool(colon and password) and text.isprintable() and not is_placeholder(password) and user.isprintable()


def _is_login(found: re.Match[bytes], _data: bytes) -> bool:
    """The password of a URL, when it is no placeholder and no variable."""
    value = found["value"][:JUDGED_CHARS].decode("latin-1")
    return len(value) >= LOGIN_CHARS_MIN and value[0] not in "${[(%" and not is_placeholder(value)


LABELS: Final[tuple[tuple[str, bytes, re.Pattern[bytes], Judge], ...]] = (
    ("AWS secret access key", b"secret", _AWS_KEY, _is_any),
    ("labelled password", b"secret", _PASSWORD, _is_password),
    ("labelled password", b"passw", _PASSWORD, _is_password),
    ("labelled password", b"passphrase", _PASSWORD, _is_password),
    ("labelled password", b"pwd", _PASSWORD, _is_password),
    ("labelled key", b"api", _KEY, _is_key),
    ("labelled key", b"access", _KEY, _is_key),
    ("labelled key", b"private", _KEY, _is_key),
    ("labelled key", b"account", _KEY, _is_key),
    ("labelled key", b"shared", _KEY, _is_key),
    ("labelled key", b"signing", _KEY, _is_key),
    ("labelled key", b"encryption", _KEY, _is_key),
    ("labelled key", b"token", _KEY, _is_key),
    ("bearer token", b"bearer", _SCHEME, _is_scheme),
    ("basic authorization", b"basic", _BASIC, _is_basic),
    ("password in a URL", b"://", _LOGIN, _is_login),
    ("password in a URL", b":\\/\\/", _LOGIN, _is_login),
)
"""Kind, the lower-case text that starts a match, the pattern, and what its value must be."""


def has_digit_and_letter(value: str) -> bool:
    """Both, in ASCII."""
    return any("0" <= c <= "9" for c in value) and any(c.isascii() and c.isalpha() for c in value)


def is_placeholder(value: str) -> bool:
    """Whether it is made of words that stand for a secret in documentation, or holds a hole to be filled."""
    if any(hole in value for hole in _HOLES) or len(set(value)) < 4:
        return True
    words = [word.lower() for word in _WORD.findall(value)]
    letters = sum(map(len, words))
    others = sum(c.isalnum() for c in value) - letters
    return bool(words) and others <= 4 and all(word in _PLACEHOLDERS for word in words)


def is_generated(value: str) -> bool:
    """Whether it looks drawn and not written: digits and letters that change places often, and no placeholder."""
    if not has_digit_and_letter(value) or is_placeholder(value):
        return False
    kinds = ["d" if c.isdigit() else "u" if c.isupper() else "l" if c.islower() else "" for c in value]
    told = [kind for kind in kinds if kind]
    changes = sum(one != other for one, other in pairwise(told))
    return _HEX.fullmatch(value) is not None or (changes >= max(5, len(told) // 5) and not _NAME.fullmatch(value))
