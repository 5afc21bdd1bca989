"""The HTTP interface of a running coordinator: what it answers, and what it refuses."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.support.cluster import Cluster, image_source, running_cluster

API = "/api/v1"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory):
    """A coordinator with one worker."""
    with running_cluster(tmp_path_factory.mktemp("http"), workers=("a",)) as cluster:
        yield cluster


def assert_problem(answer: tuple[int, dict[str, str], bytes], status: int, code: str) -> dict[str, Any]:
    got, headers, body = answer
    assert got == status, body
    assert headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(body)
    assert document["code"] == code
    assert document["status"] == status
    assert document["message"]
    for secret in ("Traceback", "/tmp", ".py", "site-packages"):
        assert secret not in body.decode()
    return document


def post(here: Cluster, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return here.call_raw(
        "POST", API + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )


def put(here: Cluster, data: bytes, name: str | None = None) -> tuple[int, dict[str, str], bytes]:
    digest = name or "blob:" + hashlib.sha256(data).hexdigest()
    return here.call_raw("PUT", f"{API}/blobs/{digest}", data)


def test_health_and_readiness_are_said(here: Cluster) -> None:
    assert here.call("GET", "/healthz")[0] == 200
    assert here.call("GET", "/readyz")[1] == {"status": "ready"}


def test_the_page_of_calls_loads_nothing_from_elsewhere(here: Cluster) -> None:
    status, headers, body = here.call_raw("GET", "/docs")
    assert status == 200
    assert b"http://" not in body
    assert b"https://" not in body
    assert "default-src 'self'" in headers["content-security-policy"]
    paths = here.call("GET", "/openapi.json")[1]["paths"]
    assert f"{API}/executions" in paths
    assert f"{API}/execute-dynamic" in paths


def test_every_finding_of_a_wrong_program_comes_with_its_place(here: Cluster) -> None:
    program = 'print "a" foo(1)\nprint "b" 1 .+. true\n'
    answer = post(here, "/executions", {"program": program, "filename": "wrong.imgql"})
    got = json.loads(answer[2])
    assert_problem(answer, 422, got["code"])
    assert len(got["diagnostics"]) >= 2
    assert {finding["spans"][0]["line"] for finding in got["diagnostics"]} == {1, 2}
    assert got["spans"][0]["file"] == "wrong.imgql"
    assert post(here, "/check", {"program": program})[0] == 422


@pytest.mark.parametrize("program", ["", "let x = 1\n", 'load a = "nowhere.nii"\nprint "v" volume(a)\n'])
def test_a_program_that_cannot_run_is_refused(here: Cluster, program: str) -> None:
    answer = post(here, "/executions", {"program": program})
    assert_problem(answer, 422, json.loads(answer[2])["code"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"program": 3},
        {"program": "", "unknown": 1},
        {"program": "", "config": {"retries": -1}},
        {"program": "", "config": {"timeout_s": 1e400}},
        {"program": "", "sources": {"a": {"digest": "blob:zz"}}},
        [],
        None,
    ],
)
def test_a_body_of_another_shape_is_a_usage_error(here: Cluster, body: Any) -> None:
    assert_problem(post(here, "/executions", body), 400, "E0101")


def test_a_body_that_is_not_json_is_a_usage_error(here: Cluster) -> None:
    answer = here.call_raw("POST", f"{API}/executions", b"{nonsense", {"Content-Type": "application/json"})
    assert_problem(answer, 400, "E0101")


def test_sources_that_are_not_here_are_asked_for(here: Cluster) -> None:
    source, blob = image_source(99)
    body = {"program": 'load a = "x.nii"\nprint "v" volume(intensity(a) >. 3)', "sources": {"x.nii": source}}
    assert source["digest"] in assert_problem(post(here, "/executions", body), 409, "E0104")["message"]
    assert put(here, blob)[0] == 201
    assert post(here, "/executions", body)[0] == 201


def test_too_large_a_body_is_refused_before_it_is_read(here: Cluster) -> None:
    parts = urlsplit(here.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("POST", f"{API}/executions")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["code"] == "E0102"
    connection.close()


def test_a_body_that_grows_beyond_its_limit_is_cut(here: Cluster) -> None:
    parts = urlsplit(here.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    piece = b" " * (1 << 20)

    def endless() -> Any:
        for _ in range(64):
            yield piece

    try:
        connection.request(
            "POST", f"{API}/check", endless(), {"Content-Type": "application/json"}, encode_chunked=True
        )
        status = connection.getresponse().status
    except (ConnectionError, http.client.HTTPException):
        status = 413  # it hung up while we were still talking
    finally:
        connection.close()
    assert status == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "rebound.example"}, 403),
        ({"Host": "rebound.example:80"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, 401),
    ],
)
def test_strange_pages_and_wrong_tokens_stay_outside(
    here: Cluster, headers: dict[str, str], status: int
) -> None:
    answer = here.call_raw("GET", f"{API}/executions", None, headers)
    assert_problem(answer, status, "E0613" if status == 403 else "E0610")


def test_the_page_of_the_server_itself_may_ask(here: Cluster) -> None:
    netloc = urlsplit(here.url).netloc
    assert here.call_raw("GET", f"{API}/executions", None, {"Origin": f"http://{netloc}"})[0] == 200
    local = f"localhost:{here.http_port}"
    assert here.call_raw("GET", f"{API}/executions", None, {"Host": local})[0] == 200


def test_a_right_token_is_taken(here: Cluster) -> None:
    token = here.token("--api")
    assert here.call_raw("GET", f"{API}/executions", None, {"Authorization": f"Bearer {token}"})[0] == 200


def test_blobs_go_up_and_down_whole_and_in_parts(here: Cluster) -> None:
    data = os.urandom(3_000_001)
    name = "blob:" + hashlib.sha256(data).hexdigest()
    assert here.call("POST", f"{API}/blobs/missing", {"digests": [name]})[1] == {"missing": [name]}
    assert put(here, data)[0] == 201
    assert put(here, data)[0] == 200
    assert here.call("POST", f"{API}/blobs/missing", {"digests": [name]})[1] == {"missing": []}
    status, headers, body = here.call_raw("GET", f"{API}/blobs/{name}")
    assert (status, body) == (200, data)
    assert "immutable" in headers["cache-control"]
    again = here.call_raw("GET", f"{API}/blobs/{name}", None, {"If-None-Match": headers["etag"]})
    assert (again[0], again[2]) == (304, b"")
    for asked, first, last in (
        ("5-99", 5, 99),
        ("2999990-", 2_999_990, 3_000_000),
        ("-7", 2_999_994, 3_000_000),
    ):
        status, headers, body = here.call_raw("GET", f"{API}/blobs/{name}", None, {"Range": f"bytes={asked}"})
        assert status == 206
        assert body == data[first : last + 1]
        assert headers["content-range"] == f"bytes {first}-{last}/{len(data)}"
    assert here.call_raw("GET", f"{API}/blobs/{name}", None, {"Range": "bytes=3000001-"})[0] == 416
    assert here.call_raw("GET", f"{API}/blobs/{name}", None, {"Range": "bytes=1-2,5-6"})[2] == data


def test_a_blob_under_a_wrong_name_is_refused_and_not_kept(here: Cluster) -> None:
    data = os.urandom(70_000)
    wrong = "blob:" + "0" * 64
    assert_problem(put(here, data, wrong), 422, "E0103")
    right = "blob:" + hashlib.sha256(data).hexdigest()
    missing = here.call("POST", f"{API}/blobs/missing", {"digests": [wrong, right]})[1]["missing"]
    assert sorted(missing) == sorted([wrong, right])


def test_a_blob_that_breaks_off_leaves_nothing(here: Cluster) -> None:
    data = os.urandom(500_000)
    name = "blob:" + hashlib.sha256(data).hexdigest()
    parts = urlsplit(here.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    connection.putrequest("PUT", f"{API}/blobs/{name}")
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data[:300_000])
    connection.close()
    assert here.call("POST", f"{API}/blobs/missing", {"digests": [name]})[1] == {"missing": [name]}
    assert put(here, data)[0] == 201
    log = Path(here.document["log"]).read_text()
    assert "a request broke the coordinator" not in log


def test_the_empty_blob_can_be_put_and_read(here: Cluster) -> None:
    assert put(here, b"")[0] in (200, 201)
    name = "blob:" + hashlib.sha256(b"").hexdigest()
    assert here.call_raw("GET", f"{API}/blobs/{name}")[::2] == (200, b"")


def test_names_that_name_nothing_are_not_found(here: Cluster) -> None:
    nothing = "0" * 63 + "1"
    assert_problem(here.call_raw("GET", f"{API}/blobs/blob:{nothing}"), 404, "E0501")
    assert_problem(here.call_raw("GET", f"{API}/blobs/../../etc/passwd"), 404, "E0101")
    assert_problem(here.call_raw("GET", f"{API}/blobs/zz"), 400, "E0101")
    assert_problem(here.call_raw("GET", f"{API}/nodes/node:{nothing}"), 404, "E0510")
    assert_problem(here.call_raw("GET", f"{API}/nodes/zz"), 400, "E0101")
    for path in ("", "/events", "/plan", "/goals/x"):
        assert_problem(here.call_raw("GET", f"{API}/executions/nobody{path}"), 404, "E0804")
    assert_problem(here.call_raw("DELETE", f"{API}/executions/nobody"), 404, "E0804")
    assert_problem(here.call_raw("GET", "/nowhere"), 404, "E0101")
    assert_problem(here.call_raw("PATCH", f"{API}/executions"), 405, "E0101")


PROGRAM = (
    'load a = "a.nii"\nlet m = intensity(a) >. 100\nprint "n m/2" volume(m) ./. 2\nsave "out/m.nii.gz" m\n'
)


@pytest.fixture(scope="module")
def finished(here: Cluster) -> dict[str, Any]:
    source, blob = image_source(5)
    put(here, blob)
    return here.finished(here.submit(PROGRAM, {"a.nii": source}))


def test_an_execution_is_what_the_command_prints(here: Cluster, finished: dict[str, Any]) -> None:
    assert finished["schema"] == 1
    assert finished["state"] == "succeeded", finished["errors"]
    keys = {"schema", "execution", "state", "seconds", "nodes", "goals", "errors"}
    assert set(finished) == keys
    printed, saved = finished["goals"]
    assert (printed["kind"], printed["label"], printed["type"]) == ("print", "n m/2", "number")
    assert isinstance(printed["value"], float)
    assert (saved["kind"], saved["type"]) == ("save", "mask")
    listed = here.call("GET", f"{API}/executions")[1]["executions"]
    assert finished["execution"] in [row["execution"] for row in listed]


def test_goals_and_nodes_can_be_looked_at(here: Cluster, finished: dict[str, Any]) -> None:
    printed, saved = finished["goals"]
    goals = f"{API}/executions/{finished['execution']}/goals/"
    assert here.call("GET", goals + quote("n m/2"))[1]["value"] == printed["value"]
    status, headers, file = here.call_raw("GET", goals + quote(saved["label"]))
    assert status == 200
    assert file[:4] == b"\x5c\x01\x00\x00"  # NIfTI-1: the size of its header, 348
    assert int(headers["content-length"]) == len(file)
    assert_problem(here.call_raw("GET", goals + "nothing"), 404, "E0105")
    node = here.call("GET", f"{API}/nodes/{printed['node']}")[1]
    assert (node["digest"], node["here"]) == (printed["digest"], True)
    assert here.call("GET", f"{API}/nodes/{printed['node']}/value")[1]["value"] == printed["value"]
    value = here.call_raw("GET", f"{API}/nodes/{saved['node']}/value")[2]
    assert "blob:" + hashlib.sha256(value).hexdigest() == saved["digest"]


def test_the_plan_comes_as_json_and_as_a_graph(here: Cluster, finished: dict[str, Any]) -> None:
    path = f"{API}/executions/{finished['execution']}/plan"
    plan = here.call("GET", path)[1]
    assert len(plan["nodes"]) == finished["nodes"]["total"]
    seen: set[str] = set()
    for node in plan["nodes"]:
        assert set(node.get("arguments", {}).values()) <= seen
        seen.add(node["id"])
    dot = here.call_raw("GET", path + "?format=dot")[2].decode()
    assert dot.startswith("digraph")
    assert_problem(here.call_raw("GET", path + "?format=svg"), 400, "E0101")


def test_events_begin_where_a_watcher_left_off(here: Cluster, finished: dict[str, Any]) -> None:
    path = f"{API}/executions/{finished['execution']}/events"
    whole = here.call_raw("GET", path)
    assert whole[1]["content-type"].startswith("text/event-stream")
    events = whole[2].decode().strip().split("\n\n")
    assert events[0].startswith("id: 1\nevent: execution-started\ndata: {")
    assert "execution-finished" in events[-1]
    rest = here.call_raw("GET", path, None, {"Last-Event-ID": "2"})[2].decode().strip().split("\n\n")
    assert rest == events[2:]


def test_a_plan_is_told_without_running_it(here: Cluster, finished: dict[str, Any]) -> None:
    source, _ = image_source(5)
    before = len(here.call("GET", f"{API}/executions")[1]["executions"])
    body = {"program": PROGRAM, "sources": {"a.nii": source}}
    known = json.loads(post(here, "/plan", body)[2])
    assert known["nodes"]["to_compute"] == 0
    assert [goal["known"] for goal in known["goals"]] == [True, True]
    body["program"] = PROGRAM.replace("100", "101")
    status, _, answer = post(here, "/executions", {**body, "dry_run": True})
    assert status == 200
    assert json.loads(answer)["nodes"]["to_compute"] > 0
    assert json.loads(post(here, "/check", body)[2])["goals"][0]["label"] == "n m/2"
    assert len(here.call("GET", f"{API}/executions")[1]["executions"]) == before


def test_the_same_call_in_voxlogica_2s_words(here: Cluster, finished: dict[str, Any]) -> None:
    body = {
        "program": 'print "seven" 3 .+. 4',
        "execution_engine": "dynamic",
        "storage_backend": "sqlite",
        "config": {"max_concurrent_nodes": 2, "cache_size": 100},
    }
    status, headers, answer = post(here, "/execute-dynamic", body)
    assert status == 201
    execution = json.loads(answer)["execution"]
    assert headers["location"] == f"{API}/executions/{execution}"
    assert here.finished(execution)["goals"][0]["value"] == 7.0


def test_workers_and_members_are_listed(here: Cluster) -> None:
    (worker,) = here.call("GET", f"{API}/workers")[1]["workers"]
    assert (worker["name"], worker["slots"]) == ("a", 1)
    (member,) = here.call("GET", f"{API}/cluster/members")[1]["members"]
    assert member["name"] == "a"
    authority = here.call("GET", f"{API}/cluster/ca")[1]
    assert "PRIVATE" not in json.dumps(authority)


@pytest.mark.parametrize(
    "change", [{"token": "nonsense"}, {"proof": "zz"}, {"proof": "00" * 64}, {"request": "x"}]
)
def test_a_join_that_proves_nothing_is_refused(here: Cluster, change: dict[str, str], tmp_path: Any) -> None:
    from p2p.identity import Identity

    identity = Identity.load_or_create(tmp_path)
    body = {
        "token": here.token(),
        "request": identity.csr().decode(),
        "proof": identity.proof().hex(),
        "public_key": identity.signer.public_key.hex(),
        "name": "liar",
    }
    status, headers, answer = post(here, "/cluster/join", body | change)
    assert status == 401, answer
    assert headers["content-type"] == "application/problem+json"
    assert len(here.call("GET", f"{API}/cluster/members")[1]["members"]) == 1
