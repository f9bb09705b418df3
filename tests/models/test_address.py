"""Addresses of servers: one spelling each, no secret in any, and told at once what is wrong with one."""

from __future__ import annotations

import pytest

from rlm_dsl.common.diagnostics import UserError
from rlm_dsl.models.cache.earlier_keys import earlier_keys
from rlm_dsl.models.request import Message, ModelSettings, Request
from rlm_dsl.models.server.address import is_local, server_address
from rlm_dsl.models.settings import ModelChoice, Server, Settings, sent_parameters

SAME = {
    "https://api.openai.com/v1": ["https://api.openai.com/v1/", " https://API.openai.com:443/v1// ", "HTTPS://api.openai.com/v1"],
    "http://localhost:8000/v1": ["http://LOCALHOST:8000/v1/"],
    "http://h": ["http://h:80", "http://h/", "http://H"],
    "http://[::1]:8080/v1": ["http://[::1]:8080/v1/"],
    "https://h/openai/deployments/m": ["https://h:443/openai/deployments/m/"],
}  # fmt: skip


@pytest.mark.parametrize("address", SAME)
def test_one_address_has_one_spelling(address: str) -> None:
    assert server_address(address) == address
    assert {server_address(other) for other in SAME[address]} == {address}


WRONG = {
    "localhost:8000/v1": "write http://localhost:8000/v1",
    "127.0.0.1:1234": "write http://127.0.0.1:1234",
    "gpu-box:8000/v1": "write http://gpu-box:8000/v1",
    "api.openai.com/v1": "write https://api.openai.com/v1",
    "//api.example.com/v1": "write https://api.example.com/v1",
    "[::1]:8000/v1": "write http://[::1]:8000/v1",
    "ftp://h/v1": "such as https://",
    "http://": "such as https://",
    "http:///v1": "such as https://",
    "http://h:99999/v1": "such as https://",
    "http://h:port/v1": "such as https://",
    "": "such as https://",
    "http://h/v 1": "such as https://",
    "http://h/v1\n": "",
    "http://h/v1/chat/completions": "name the server: http://h/v1",
    "http://h/v1/chat/completions/": "name the server: http://h/v1",
    "https://h/v1/models": "name the server: https://h/v1",
    "https://h/v1/completions": "name the server: https://h/v1",
    "https://h/v1/responses": "name the server: https://h/v1",
    "http://h/v1#top": "a fragment",
}


@pytest.mark.parametrize("given", WRONG)
def test_what_is_no_address_is_told_at_once_with_the_right_one(given: str) -> None:
    if not WRONG[given]:
        assert server_address(given) == given.strip()
        return
    with pytest.raises(UserError) as failure:
        Settings(base_url=given)
    assert WRONG[given] in str(failure.value) and failure.value.exit_code == 2


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    "given",
    [
        f"https://user:{SECRET}@h/v1",
        f"https://{SECRET}@h/v1",
        f"https://h/v1?key={SECRET}",
        f"https://h/v1?{SECRET}",
        f"user:{SECRET}@h/v1",
        f"h/v1?token={SECRET}",
        f"https://h:bad/v1?key={SECRET}",
        f"https://u:{SECRET}@h:bad/v1",
        f"https://h/v1/chat/completions?key={SECRET}",
    ],
)
def test_an_address_with_a_secret_is_refused_without_telling_it(given: str) -> None:
    for made in (lambda: Settings(base_url=given), lambda: ModelChoice("m", given), lambda: Server(given)):
        with pytest.raises(UserError) as failure:
            made()
        assert SECRET not in str(failure.value)


def test_where_an_address_keeps_its_secret_is_told() -> None:
    with pytest.raises(UserError, match=r"`query:` of the server in rlm-dsl.yaml, a secret as \$\{NAME\}"):
        server_address("https://h/v1?key=x")
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        server_address("https://me:secret@h/v1")


def test_which_servers_are_near() -> None:
    near = ["http://localhost:1", "http://127.0.0.1/v1", "http://[::1]:1", "http://10.1.2.3", "http://192.168.1.1/v1",
            "http://172.20.0.1", "http://box:1", "http://mac.local:1"]  # fmt: skip
    assert all(map(is_local, near))
    assert not any(map(is_local, ["https://api.openai.com/v1", "http://172.32.0.1", "http://11.0.0.1", "https://h.ai"]))
    assert not any(map(is_local, ["http://10.h.ai", "http://192.168.h.ai/v1", "http://[2a00:1450::1]"]))


PARAMETERS = [
    ({"temperature": 0.0}, {"temperature": 0}),
    ({"temperature": -0.0}, {"temperature": 0}),
    ({"temperature": 1.0, "top_p": 0.5}, {"temperature": 1, "top_p": 0.5}),
    ({"stop": ["a"], "logit_bias": {"5": 2.0}}, {"stop": ["a"], "logit_bias": {"5": 2}}),
    ({"max_tokens": 50}, {"max_completion_tokens": 50}),
    ({"max_completion_tokens": 50.0}, {"max_completion_tokens": 50}),
    ({"max_tokens": 50, "max_completion_tokens": 50}, {"max_completion_tokens": 50}),
    ({"parallel_tool_calls": True}, {"parallel_tool_calls": True}),
]


@pytest.mark.parametrize(("given", "sent"), PARAMETERS)
def test_one_number_has_one_spelling(given: dict[str, object], sent: dict[str, object]) -> None:
    found = sent_parameters(given)
    assert found == {"max_completion_tokens": 4_096, **sent}
    assert [type(value) for value in found.values()] == [
        type(value) for value in {"max_completion_tokens": 4_096, **sent}.values()
    ]


def test_two_limits_that_differ_are_told() -> None:
    with pytest.raises(UserError, match="two numbers are given"):
        sent_parameters({"max_tokens": 5, "max_completion_tokens": 6})


def key(url: str, parameters: dict[str, object]) -> str:
    settings = Settings(models={"root": ModelChoice("m", url, parameters)}).by_alias()["root"]
    return Request(settings, (Message("user", "x"),)).key


def test_what_is_one_is_one_key() -> None:
    assert key("http://h/v1/", {"temperature": 0.0}) == key("http://H:80/v1", {"temperature": 0})
    assert key("http://h/v1", {"temperature": 0}) != key("http://h/v1", {"temperature": 0.5})
    assert key("http://h/v1", {"temperature": 0}) != key("http://h/v2", {"temperature": 0})


def test_keys_of_earlier_versions_are_known() -> None:
    parameters = sent_parameters({"temperature": 0, "max_tokens": 9})
    now = Request(ModelSettings("m", "http://h/v1", parameters=parameters), ())
    earlier = [
        {"max_completion_tokens": 9, "temperature": 0.0},
        {"max_completion_tokens": 4_096, "temperature": 0, "max_tokens": 9},
        {"max_completion_tokens": 9, "temperature": 0},
    ]
    for url in ("http://h/v1", "http://h/v1/"):
        for said in earlier:
            then = Request(ModelSettings("m", url, parameters=said), ()).key
            assert then == now.key or then in set(earlier_keys(now)), (url, said)
    assert now.key not in set(earlier_keys(now))
