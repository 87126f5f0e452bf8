"""What schemathesis is to look at besides its own checks."""

import json
import re
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

# By status, what may be wrong with a request that is as described: that the host is not as it assumes.
OF_THE_MOMENT = {
    410: {"revision-gone"},
    412: {"precondition-failed"},
    422: {"source-not-found", "not-a-network-namespace", "idempotency-key-reused", "batch-failed"},
    503: {"missing-capability", "batch-failed"},
}


def problem_of(response):
    return response.json()["type"].removeprefix("urn:netnsd:problem:")


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """The daemon that is looked at asks everybody for a token, as not every daemon does."""
    raw_schema["security"] = [{"token": []}]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Reads the beginning of a stream of events alone: schemathesis takes its time for over after the timeout."""
    if case.operation.definition.raw.get("operationId") == "watchEvents" and "wait" not in (case.query or {}):
        kwargs["timeout"] = 1.0


def breaks_a_rule_beyond_schemas(response):
    """Whether a request that is as described breaks a rule that a schema cannot say, and is refused for that."""
    request, problem, field = response.request, problem_of(response), response.json().get("field", "")
    query = urlsplit(request.url).query
    # A schema counts a name's characters, a file system its bytes: what is short in the ones may be long in the others.
    if problem == "invalid-name" or (problem, field) == ("invalid-parameter", "after"):
        parts = re.split("[/?&=]", request.url)
        return any(len(unquote(part)) <= 255 < len(unquote_to_bytes(part)) for part in parts)
    # One parameter goes with another.
    if (problem, field) == ("invalid-parameter", "since"):
        return "wait" in parse_qs(query) and "since" not in parse_qs(query)
    if problem != "invalid-field":
        return False
    # No two items are called the same.
    if place := re.fullmatch(r"items\.(\d+)\.name", field):
        names = [item.get("name") for item in json.loads(request.body)["items"][: int(place[1]) + 1]]
        return names[-1] in names[:-1]
    # What a sysctl takes is the kernel's to say, and a pattern does not tell addresses from what looks like one.
    if field == "value" or field.endswith(".address") or field.startswith("nameservers."):
        return True
    # Which paths lie in the mount directory depends on where that is.
    return field.endswith("from.path")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops what is no failure of the daemon's, and of no other kind."""
    is_problem = response.headers.get("content-type") == ["application/problem+json"]
    return not (isinstance(failure, RejectedPositiveData) and is_problem and breaks_a_rule_beyond_schemas(response))


@schemathesis.check
def refused_for_the_moment(ctx, response, case):
    """A valid request is refused for what the host is like, and for nothing else; so is any that is answered 503."""
    if response.status_code not in OF_THE_MOMENT or response.request.method == "HEAD":
        return
    if response.status_code != 503 and (case.meta is None or not case.meta.generation.mode.is_positive):
        return
    problem = problem_of(response)
    if problem in OF_THE_MOMENT[response.status_code] or breaks_a_rule_beyond_schemas(response):
        return
    raise AssertionError(f"{response.status_code} {problem} to a valid request")
