"""What schemathesis is to look at besides its own checks."""

import re
from urllib.parse import unquote, unquote_to_bytes

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


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A schema counts a name's characters, a file system its bytes: what is short in the ones may be long in the others."""
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 400:
        return True
    if problem_of(response) != "invalid-name" and response.json().get("field") != "after":
        return True
    parts = re.split("[/?&=]", response.request.url)
    return not any(len(unquote(part)) <= 255 < len(unquote_to_bytes(part)) for part in parts)


@schemathesis.check
def refused_for_the_moment(ctx, response, case):
    """A valid request is refused for what the host is like, and for nothing else; so is any that is answered 503."""
    if response.status_code not in OF_THE_MOMENT or response.request.method == "HEAD":
        return
    if response.status_code != 503 and (case.meta is None or not case.meta.generation.mode.is_positive):
        return
    problem = problem_of(response)
    # Which paths lie in the mount directory depends on where that is, which a schema cannot say.
    if problem == "invalid-field" and response.json()["field"].endswith("from.path"):
        return
    assert problem in OF_THE_MOMENT[response.status_code], f"{response.status_code} {problem} to a valid request"
