"""What schemathesis is to look at besides its own checks."""

import ipaddress
import json
import re
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

# By status, what may be wrong with a request that is as described: that the host is not as it assumes.
OF_THE_MOMENT = {
    410: {"revision-gone"},
    412: {"precondition-failed"},
    422: {
        "source-not-found", "not-a-network-namespace", "idempotency-key-reused", "batch-failed", "cni-network-not-found",
        "refused-by-kernel",
    },
    501: {"not-supported"},
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


def at(body, field):
    """The value at a place such as items.3.name; None where there is none."""
    for key in field.split(".") if field else ():
        if isinstance(body, list) and key.isdigit() and int(key) < len(body):
            body = body[int(key)]
        elif isinstance(body, dict):
            body = body.get(key)
        else:
            return None
    return body


def parsed(parse, text):
    try:
        return parse(text)
    except ValueError:
        return None


def family(text):
    """4 or 6; None for `default`, for what is left out and for what is neither an address nor a prefix."""
    address = text and parsed(ipaddress.ip_interface, text)
    return address.version if address else None


def is_no_address(value, *_):
    return parsed(ipaddress.ip_address, value) is None


def is_no_prefix(value, *_):
    return parsed(ipaddress.ip_interface, value) is None


def is_no_network(value, *_):
    return value != "default" and parsed(ipaddress.ip_network, value) is None


def is_no_link_name(value, *_):
    # A space to the kernel is one in Latin-1, where 0xa0 is one, also as a part of a letter.
    encoded = value.encode()
    return len(encoded) > 15 or b"\xa0" in encoded


def is_given_before(value, body, field):
    items, _, number = field.rpartition(".")
    before = at(body, items)[: int(number)]
    return parsed(ipaddress.ip_interface, value) in [parsed(ipaddress.ip_interface, item) for item in before]


def is_of_no_use(value, body, field):
    needs = {"burstBytes": "rateBitsPerSecond", "jitterMicroseconds": "delayMicroseconds"}
    direction, _, name = field.rpartition(".")
    return needs.get(name, "delayMicroseconds") not in at(body, direction)


def leads_somewhere(route):
    return any(key in route for key in ("gateway", "link", "hops"))


# What a schema does not say of a body or a parameter, by the words in which it is refused: whether the value, the body
# around it and its place are such that they have to be.
RULES = {
    r"The value is a network with its prefix length": is_no_network,
    r"The value is an address with its prefix length": is_no_prefix,
    r"The value is an IP address such as": is_no_address,
    r"The value is an IPv4 or IPv6 address": is_no_address,
    r"The value is 1 to 15 bytes without / : %": is_no_link_name,
    r"The value is 1 to 15 bytes without white space": lambda value, *_: len(value.encode()) > 15,
    r"The value is the name of a namespace": lambda value, *_: len(value.encode()) > 255,
    r"An alias has at most 255 bytes": lambda value, *_: len(value.encode()) > 255,
    r"Keys of 1 to 256 bytes and values of up to 1024": lambda value, body, field: max(
        len(field.removeprefix("args.").encode()) - 256, len(at(body, "args")[field.removeprefix("args.")].encode()) - 1024
    ) > 0,
    r"The value is a string of 1 to 1024 bytes": lambda value, *_: len(value.encode()) > 1024,
    r"Only IPv4 has broadcast addresses": lambda value, body, _: 6 in (family(value), family(body["address"])),
    r"Only IPv4 addresses have labels": lambda value, body, _: family(body["address"]) == 6,
    r"The peer's address is of the same family": lambda value, body, _: family(value) != family(body["address"]),
    r"The destination is of another family": lambda value, body, _: {"inet": 4, "inet6": 6}[value]
    != family(body["destination"]),
    r"The prefix is of another family": lambda value, body, _: family(value)
    != {"inet": 4, "inet6": 6, None: family(body.get("from")) or family(body.get("to"))}[body.get("family")],
    r"The bits behind the prefix are zero": is_no_network,
    r"A route has hops, or one gateway and link": lambda value, body, _: "gateway" in body or "link" in body,
    r"Only a unicast route leads anywhere": lambda value, body, _: leads_somewhere(body) and value != "unicast",
    r"A unicast route has a gateway, a link or hops": lambda value, body, _: not leads_somewhere(body)
    and body.get("type", "unicast") == "unicast",
    r"A hop has a gateway or a link": lambda value, *_: "gateway" not in value and "link" not in value,
    r"A rule that looks up has a table, and no other": lambda value, body, _: (body.get("action", "lookup") == "lookup")
    != ("table" in body),
    r"The field is for the kind (\w+)": lambda value, body, field: body.get("kind") != field,
    r"A link has a name": lambda value, body, _: "name" not in body and "fromHost" not in body,
    r"A link from the host is of a kind already": lambda value, body, _: "fromHost" in body and "kind" in body,
    r"The kind is one of": lambda value, body, _: "fromHost" not in body and "kind" not in body,
    r"A veth has a peer": lambda value, body, _: "name" not in (value or {}),
    r"A macvlan has a parent": lambda value, body, _: "parent" not in (value or {}),
    r"A vlan has a parent": lambda value, body, _: not {"parent", "id"} <= set(value or {}),
    r"A vxlan has an id": lambda value, body, _: "id" not in (value or {}),
    r"A tun device has a mode": lambda value, body, _: "mode" not in (value or {}),
    r"The peer is in the host or in a namespace": lambda value, body, _: "namespace" in body["peer"],
    r"Two links of one namespace have different names": lambda value, body, field: value
    == (body["a"]["link"] if field == "b.link" else body.get("name", body.get("fromHost"))),
    r"The address is given twice": is_given_before,
    r"The value is of no use without": is_of_no_use,
    # No two items are called the same.
    r"An earlier item has the same name": lambda value, body, field: value
    in [item.get("name") for item in body["items"][: int(field.split(".")[1])]],
    # What a sysctl takes is the kernel's to say.
    r"The kernel takes no such value": lambda value, *_: isinstance(value, str),
}


def breaks_a_rule_beyond_schemas(response):
    """Whether a request that is as described breaks a rule that a schema cannot say, and is refused for that."""
    request, problem, field = response.request, problem_of(response), response.json().get("field", "")
    query = parse_qs(urlsplit(request.url).query)
    # A schema counts a name's characters, a file system its bytes: what is short in the ones may be long in the others.
    if problem == "invalid-name" or (problem, field) == ("invalid-parameter", "after"):
        parts = [(unquote(part), unquote_to_bytes(part)) for part in re.split("[/?&=]", request.url)]
        if any(len(text) <= 255 < len(encoded) for text, encoded in parts):
            return True
        return "/links/" in request.url and is_no_link_name(parts[-1][0])
    # One parameter goes with another.
    if (problem, field) == ("invalid-parameter", "since"):
        return "wait" in query and "since" not in query
    if problem not in ("invalid-field", "invalid-parameter"):
        return False
    # Which paths lie in the mount directory depends on where that is.
    if field.endswith("from.path"):
        return True
    detail = response.json()["detail"]
    if problem == "invalid-parameter":
        body, value = None, query.get(field, [""])[0]
    else:
        body = json.loads(request.body or "{}")
        value = at(body, field)
    return any(re.match(rule, detail) and breaks(value, body, field) for rule, breaks in RULES.items())


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
