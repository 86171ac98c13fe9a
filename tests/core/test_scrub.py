"""Scrubbing: allow-list, stable fakes, masks, user rules; twice is once, and both directions agree."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sagetape.core.errors import ConfigError
from sagetape.core.eventstream import decode, exception, payload_part
from sagetape.core.scrub import NEVER_KEPT, Collisions, Scrubber, ScrubRules, is_kept
from sagetape.core.wire import EVENT_STREAM, Abort, Call, Chunk, End, Head, Pause, Script, body_of, head_of, whole

OWN, OTHER, THIRD = "111122223333", "444455556666", "777788889999"
MISMATCH = (
    "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this "
    "request should have been\n'POST\n/endpoints/e/invocations\n\nhost:runtime.sagemaker.us-east-1.amazonaws.com\n"
    "x-amz-date:20260115T120000Z\nx-amz-security-token:IQoJb3JpZ2luX2VjEJ//abc+def==\n\nhost;x-amz-date\n" + "ab" * 32
)


def call(body: bytes = b"{}", **members: str) -> Call:
    members.setdefault("ContentType", "application/json")
    return Call("InvokeEndpoint", "e", members, body, hashlib.sha256(body).digest())


def refusal(text: str) -> Script:
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "ValidationError"))
    return whole(400, headers, json.dumps({"Message": text}).encode())


def scrubber(**rules: Any) -> Scrubber:
    return Scrubber(ScrubRules(**rules), account=OWN)


def test_call_without_anything_to_scrub_is_the_same_object() -> None:
    """The hot path copies nothing."""
    plain = call(b'{"x": 123456789012}', CustomAttributes="a=1", TargetModel="m.tar.gz")
    assert scrubber().redact(plain) == (plain, b"")
    assert scrubber().call(plain) is plain


@pytest.mark.parametrize("name", sorted(NEVER_KEPT))
def test_header_that_is_never_kept_is_dropped(name: str) -> None:
    """Neither by case nor by a rule does it come back."""
    for spelling in (name, name.upper(), name.title()):
        assert not is_kept(spelling)
        kept = head_of(scrubber(headers=(name,)).script(whole(200, ((spelling, "v"), ("Content-Type", "x/y")), b"")))
        assert kept == Head(200, (("Content-Type", "x/y"),))


def test_headers_are_kept_by_allow_list() -> None:
    """Known ones keep order and case, unknown ones go."""
    headers = (("Server", "x"), ("x-Amzn-Invoked-Production-Variant", "AllTraffic"), ("X-Api-Key", "k"))
    assert scrubber().headers(headers) == (headers[1],)


def test_accounts_become_stable_fakes() -> None:
    """The own account is one constant, others are numbered in order of appearance, in every known form."""
    body = json.dumps(
        {
            "a": f"arn:aws:sagemaker:us-east-1:{OTHER}:endpoint/e",
            "b": f"arn:aws:iam::{OWN}:role/Admin",
            "c": f"s3://sagemaker-us-east-1-{OWN}/in/{OWN}.csv",
            "d": f"arn:aws-cn:s3:::bucket-{THIRD}/k",
            "e": f"{OTHER}.dkr.ecr.us-east-1.amazonaws.com/image",
            "f": "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        }
    ).encode()
    scrubbed = json.loads(scrubber().call(call(body)).body)
    assert scrubbed["a"] == "arn:aws:sagemaker:us-east-1:000000000001:endpoint/e"
    assert scrubbed["b"].startswith("arn:aws:iam::000000000000:role/principal-")
    assert scrubbed["c"] == f"s3://sagemaker-us-east-1-000000000000/in/{OWN}.csv"
    assert scrubbed["d"] == "arn:aws-cn:s3:::bucket-000000000002/k"
    assert scrubbed["e"] == "000000000001.dkr.ecr.us-east-1.amazonaws.com/image"
    assert scrubbed["f"].startswith("arn:aws:kms:us-east-1:000000000000:key/00000000-0000-4000-8000-")


def test_account_of_the_call_becomes_the_constant() -> None:
    """A configured account is not stored beside the texts that hide it."""
    assert scrubber().call(Call("InvokeEndpoint", "e", {}, b"", b"", account=OWN)).account == "000000000000"


def test_numbers_in_model_output_are_left_alone() -> None:
    """Twelve digits in an answer are the model's words, behind `account` too; bodies that are no text stay."""
    body = f'{{"text": "of account {OWN}, balance {OTHER}, s3://my-bucket/{OWN}", "n": {OWN}}}'.encode()
    script = whole(200, (("Content-Type", "application/json"),), body)
    assert scrubber().script(script) == script
    packed = whole(200, (("Content-Type", "application/x-npy"),), f"arn:aws:iam::{OWN}:role/x".encode())
    assert scrubber().script(packed) == packed


@pytest.mark.parametrize("framed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "name",
    [
        f"arn:aws:sagemaker:us-east-1:{OTHER}:endpoint/x",
        f"arn:aws:iam::{OWN}:role/x",
        f"s3://sagemaker-us-east-1-{THIRD}/in/{OWN}.csv",
        f"{OTHER}.dkr.ecr.us-east-1.amazonaws.com/image",
    ],
)
def test_names_become_the_same_stand_in_in_both_directions(name: str, framed: bool) -> None:
    """What an answer says is asked with the next request: the stand-in is one, and is left as it is afterwards."""
    scrub, body = scrubber(), f'{{"text": "see {name} "}}'.encode()
    asked = scrub.call(call(body)).body
    headers = [("Content-Type", "application/json")]
    parts = [body]
    if framed:
        headers = [("Content-Type", EVENT_STREAM), ("X-Amzn-SageMaker-Content-Type", "application/json")]
        parts = [payload_part(body[:22]), payload_part(body[22:])]
    answered = scrub.script((Head(200, tuple(headers)), *map(Chunk, parts), End()))
    chunks = [s.data for s in answered if isinstance(s, Chunk)]
    assert b"".join(decode(c).payload if framed else c for c in chunks) == asked != body
    assert name not in asked.decode()
    assert scrub.call(call(asked)).body == asked


def test_account_that_is_named_for_scrubbing_goes_everywhere() -> None:
    """As a bare number too, in both directions, now and by the cassette's memory; other numbers stay."""
    body = f'{{"text": "Try it with account {OWN}, not {OTHER}", "n": {OWN}, "m": 1{OWN}}}'.encode()
    wanted = body.replace(b"account " + OWN.encode(), b"account " + b"0" * 12).replace(b": " + OWN.encode(), b": 0")
    assert json.loads(wanted)["n"] == 0
    first = Scrubber(ScrubRules(), account=OWN, everywhere=True)
    later = Scrubber(ScrubRules(), account=None, seen=first.seen())
    for scrub in (first, later):
        asked = scrub.call(call(body, CustomAttributes=f"account={OWN}"))
        assert (asked.body, asked.members["CustomAttributes"]) == (wanted, f"account={'0' * 12}")
        assert body_of(scrub.script(whole(200, (("Content-Type", "application/json"),), body))) == wanted
    assert OWN not in "".join(first.seen())
    assert later.seen() == first.seen()


def test_account_that_had_a_number_becomes_the_constant_when_it_is_named() -> None:
    """Recorded as a stranger, told afterwards: the old stand-in follows, and the numbers of others stay."""
    body = f'"arn:aws:sagemaker:us-east-1:{OWN}:x/y arn:aws:sagemaker:us-east-1:{OTHER}:x/y"'.encode()
    before = Scrubber(ScrubRules(), account=None)
    stored = before.call(call(body))
    named = Scrubber(ScrubRules(), account=OWN, seen=before.seen(), everywhere=True)
    wanted = named.call(stored).body
    assert [digits in wanted for digits in (b":000000000000:", b":000000000001:", b":000000000002:")] == [1, 0, 1]
    replay = Scrubber(ScrubRules(), account=None, seen=named.seen())
    assert replay.call(call(body)).body == named.call(call(body)).body == wanted


def test_default_account_of_the_emulator_stays() -> None:
    """It is nobody's: a text of the emulator reads the same live and replayed."""
    text = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e of account 123456789012 not found"
    assert scrubber().script(refusal(text)) == refusal(text)
    assert scrubber().call(call(text.encode())).body == text.encode()


def test_broken_answer_misses_as_much_as_before_when_stand_ins_are_longer() -> None:
    """The announced length grows with what arrived."""
    body = f'"arn:aws:iam::{OWN}:role/x'.encode()
    headers = (("Content-Type", "application/json"), ("Content-Length", str(len(body) + 5)))
    broken = scrubber().script((Head(200, headers), Chunk(body), Abort("reset")))
    assert head_of(broken).header("content-length") == str(len(body_of(broken)) + 5)  # type: ignore[union-attr]
    assert len(body_of(broken)) > len(body)


def test_error_texts_lose_accounts_ids_and_principals() -> None:
    """AWS's own texts, as quoted in public issues."""
    text = (
        f"User: arn:aws:sts::{OWN}:assumed-role/Admin/alice@example.com is not authorized to perform it. "
        f"Endpoint e of account {OWN} not found. See https://us-east-1.console.aws.amazon.com/x in account {OTHER} for "
        "more. Request 5685a6bd-e20e-4250-a125-828b8e5a5199 is missing a target model header"
    )
    scrubbed = body_of(scrubber().script(refusal(text))).decode()
    assert not any(secret in scrubbed for secret in (OWN, OTHER, "alice", "Admin", "5685a6bd"))
    assert "Endpoint e of account 000000000000 not found." in scrubbed


def test_error_text_of_a_signature_mismatch_loses_its_token() -> None:
    """The canonical request repeats the session token."""
    scrubbed = body_of(scrubber().script(refusal(MISMATCH))).decode()
    assert "IQoJ" not in scrubbed
    assert "x-amz-security-token:***" in scrubbed
    assert json.loads(scrubbed)["Message"].startswith("The request signature we calculated")


@pytest.mark.parametrize("scheme", ["Bearer ", "basic ", "Token ", ""])
def test_error_text_loses_the_whole_authorization(scheme: str) -> None:
    """A container that repeats its request's header: the credentials go with the name of their scheme."""
    text = f"upstream said no to Authorization: {scheme}q8Zr1VvK0xT7mJ3nWb6LsYp2Hc9Dg4Ef, sorry"
    scrubbed = json.loads(body_of(scrubber().script(refusal(text))))
    assert scrubbed["Message"] == "upstream said no to Authorization: ***, sorry"


def test_account_is_adopted_from_what_aws_says() -> None:
    """Without a configured account the first one that AWS calls so is the recording one."""
    scrub = Scrubber(ScrubRules(), account=None)
    assert b"of account 000000000000 not" in body_of(scrub.script(refusal(f"Endpoint e of account {OTHER} not found.")))


def test_seen_accounts_keep_their_numbers_in_another_order() -> None:
    """What a cassette remembers makes a replay number as the recording did, and does not tell the accounts."""

    def arn(account: str) -> Call:
        return call(f'"arn:aws:sagemaker:us-east-1:{account}:endpoint/e"'.encode())

    first = scrubber()
    recorded = [first.call(arn(account)) for account in (OTHER, THIRD, OWN)]
    seen = first.seen()
    assert not any(account in mark for account in (OWN, OTHER, THIRD) for mark in seen)
    later = Scrubber(ScrubRules(), account=None, seen=seen)
    assert [later.call(arn(account)) for account in (OWN, THIRD, OTHER)] == recorded[::-1]


def test_rules_apply_alike_to_call_and_script() -> None:
    """A header, a path and a pattern, in both directions."""
    scrub = scrubber(
        headers=("X-Amzn-SageMaker-Custom-Attributes",), json_paths=("user.id",), patterns=(r"tok-[0-9]+",)
    )
    body = '{"user": {"id": [1, 2.50]}, "é": "tok-12", "n": 1.00}'.encode()
    wanted = '{"user": {"id": "scrubbed"}, "é": "scrubbed", "n": 1.00}'.encode()
    asked = scrub.call(call(body, CustomAttributes="who=me"))
    headers = (("Content-Type", "application/json"), ("X-Amzn-SageMaker-Custom-Attributes", "who=me"))
    answered = scrub.script(whole(200, headers, body))
    assert (asked.body, body_of(answered)) == (wanted, wanted)
    assert asked.members["CustomAttributes"] == "scrubbed"
    assert asked.body_sha256 == hashlib.sha256(wanted).digest()
    assert answered[0] == Head(200, (headers[0], (headers[1][0], "scrubbed")))


def test_json_path_applies_to_every_line_of_json_lines() -> None:
    """Each line is a document."""
    asked = scrubber(json_paths=("id",)).call(call(b'{"id": 1}\n{"id": 2}\n', ContentType="application/jsonlines"))
    assert asked.body == b'{"id": "scrubbed"}\n{"id": "scrubbed"}\n'


@pytest.mark.parametrize("content_type", [EVENT_STREAM, EVENT_STREAM.title(), f"{EVENT_STREAM} ; version=1"])
def test_pattern_is_found_across_stream_parts(content_type: str) -> None:
    """Boundaries and pauses stay, lengths and checksums are right; however the media type is written."""
    parts = [b"a to", b"k-1", b"23 b"]
    head = Head(200, (("Content-Type", content_type), ("X-Amzn-SageMaker-Content-Type", "text/plain")))
    script = (head, *(s for p in parts for s in (Pause(0.5), Chunk(payload_part(p)))), End())
    scrubbed = scrubber(patterns=(r"tok-[0-9]+",)).script(script)
    chunks = [decode(s.data).payload for s in scrubbed if isinstance(s, Chunk)]
    assert chunks == [b"a scrubbed", b"", b" b"]
    assert [type(s) for s in scrubbed] == [type(s) for s in script]


def test_exception_frame_is_scrubbed_and_parts_are_not() -> None:
    """The platform's text in a stream is an error's text."""
    part = payload_part(f"of account {OWN}".encode())
    frames = (Chunk(part), Chunk(exception("ModelStreamError", f"in account {OWN}")))
    scrubbed = scrubber().script((Head(200, (("Content-Type", EVENT_STREAM),)), *frames, End()))
    assert scrubbed[1] == Chunk(part)
    assert isinstance(scrubbed[2], Chunk)
    assert decode(scrubbed[2].data).payload == b'{"Message":"in account 000000000000"}'


def test_collision_is_seen_where_two_requests_scrub_to_one() -> None:
    """The same request again is a take; another one under the same key is not."""
    scrub, collisions = scrubber(json_paths=("id",)), Collisions()
    removed = [scrub.redact(call(f'{{"id": {i}}}'.encode()))[1] for i in (1, 1, 2)]
    assert [collisions.is_collision(b"k", r) for r in removed] == [False, False, True]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"header": ["x"]}, "nearest is 'headers'"),
        ({"patterns": "abc"}, "not a list"),
        ({"patterns": ["(a+)+"]}, "exponential"),
        ({"patterns": ["(x|y)*z"]}, "exponential"),
        ({"patterns": ["(?:x{2,}){3}"]}, "exponential"),
        ({"patterns": ["(("]}, "not a regular expression"),
        ({"patterns": ["a*"]}, "empty text"),
        ({"patterns": ["b"]}, "its own replacement"),
        ({"patterns": ["a" * 501]}, "longer than"),
        ({"patterns": ["()" * 11 + "a"]}, "groups"),
        ({"json_paths": ["a..b"]}, "JSON path"),
        ({"headers": ["a b"]}, "no name of a header"),
        ({"allowed": ["xyz"]}, "16 hexadecimal"),
    ],
)
def test_rule_that_cannot_hold_is_refused(rules: dict[str, Any], words: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(ConfigError, match=words):
        ScrubRules.from_dict(rules)


@pytest.mark.parametrize(
    "pattern", [r'"token"\s*:\s*"[^"]+"', r"(?:sk|pk)_[a-z]{8,}", r"[)+*(]x+", r"\(a+\)+", r"id=(\d+)"]
)
def test_reasonable_pattern_is_taken(pattern: str) -> None:
    """What people write."""
    assert ScrubRules(patterns=(pattern,)).patterns == (pattern,)


def test_rules_round_trip_and_only_add() -> None:
    """As stored in a cassette; merging loses none."""
    rules = ScrubRules(headers=("A",), json_paths=("a.b",), patterns=("x+y",), allowed=("0" * 16,))
    assert ScrubRules.from_dict(json.loads(json.dumps(rules.as_dict()))) == rules
    merged = rules.merge(ScrubRules(headers=("B", "A")))
    assert merged.headers == ("A", "B")
    assert merged.patterns == rules.patterns


TEXTS = st.lists(
    st.sampled_from(
        ["arn:aws:iam::", OWN, OTHER, ":role/Me", " ", "\n", "scrubbed", "tok-12", "s3://b-", "/", "é", '"', "{", "id",
         ":", "1", "}", "in account ", "Signature=abc", "x-amz-security-token:IQoJ", "AKIAQ3EGJ5XVWZ4TDN2A", "\udc80"]
    )
).map("".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
@example("", "arn:aws:iam:::role/Me111122223333arn:aws:iam::")  # the pattern hits inside the fake of a name
@example("arn:awss1:iam::222233334444:role/Me", "")  # what the pattern leaves is an ARN, which it was not before
def test_scrubbing_twice_is_scrubbing_once(body: str, attribute: str) -> None:
    """For a call, an answer and an error."""
    scrub = scrubber(json_paths=("id",), patterns=(r"tok-[0-9]+", r"[a-z]1"), headers=("TargetModel",))
    data = body.encode("utf-8", "surrogateescape")
    once = scrub.call(call(data, CustomAttributes=attribute, TargetModel="m"))
    assert scrub.call(once) == once
    for status in (200, 400):
        script = scrub.script(whole(status, (("Content-Type", "application/json"),), data))
        assert scrub.script(script) == script


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_scrubbing_never_raises(data: bytes) -> None:
    """Any bytes, as body and as frame."""
    scrub = scrubber(json_paths=("a[*].b",), patterns=("x+y",))
    scrub.call(call(data))
    scrub.script((Head(500, (("Content-Type", EVENT_STREAM),)), Chunk(data), End()))
    scrub.script(whole(400, (), data))


def test_broken_answer_keeps_the_length_it_announced() -> None:
    """Without it half an answer would replay as a whole one; a whole answer's length is made anew."""
    head = Head(200, (("Content-Type", "application/json"), ("Content-Length", "10"), ("Server", "x")))
    broken = scrubber().script((head, Chunk(b"[1]"), Abort("reset")))
    assert broken[0] == Head(200, head.headers[:2])
    assert scrubber().script(broken) == broken
    assert scrubber().script((head, Chunk(b"[1]"), End()))[0] == Head(200, head.headers[:1])
