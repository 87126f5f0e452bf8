"""What schemathesis is to look at besides its own checks."""

import schemathesis

# By status, what may be wrong with a request that is as described: that the host is not as it assumes.
OF_THE_MOMENT = {
    410: {"revision-gone"},
    412: {"precondition-failed"},
    422: {"source-not-found", "not-a-network-namespace", "idempotency-key-reused", "batch-failed"},
    503: {"missing-capability", "batch-failed"},
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Reads the beginning of a stream of events alone: schemathesis takes its time for over after the timeout."""
    if case.operation.definition.raw.get("operationId") == "watchEvents" and "wait" not in (case.query or {}):
        kwargs["timeout"] = 1.0


@schemathesis.check
def refused_for_the_moment(ctx, response, case):
    """A valid request is refused for what the host is like, and for nothing else."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in OF_THE_MOMENT:
        return
    body = response.json()
    problem = body["type"].removeprefix("urn:netnsd:problem:")
    # Which paths lie in the mount directory depends on where that is, which a schema cannot say.
    if problem == "invalid-field" and body["field"].endswith("from.path"):
        return
    assert problem in OF_THE_MOMENT[response.status_code], f"{response.status_code} {problem} to a valid request"
