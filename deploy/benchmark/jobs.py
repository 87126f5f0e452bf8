"""The jobs of a round. Each runs for a fraction of a second, and puts its figures into the store.

Podman is not among them: it makes network namespaces only as part of a container or a pod, which takes a hundred times
as long for other reasons, and `podman network create` writes a file and makes none. The Go library below Podman,
containers/common, has no command of its own to time.
"""

import os
import re
import time

from rig import Failure, await_cleanup, figures

CORES = os.cpu_count() or 1
BATCH = 500
# Half of a new pool has loopback up, which is what a burst of warm creates asks for. The pool may have a quarter of the
# descriptors, of which a shell usually has 1,024.
WARM_POOL = 240
ONE = "bench-one"


class Jobs:
    """What is measured at one number of clients with so many namespaces present."""

    def __init__(self, rig, plan, store):
        self.rig = rig
        self.plan = plan
        self.store = store
        self.python = None
        self.turn = 0
        self.present = 0

    def table(self):
        """Every job by its name; the floors first, as no ratio can do without them."""
        return {
            "floor": self.floor,
            "create-cold": self.create_cold,
            "create-warm": self.create_warm,
            "create-sustained": self.create_sustained,
            "churn": self.churn,
            "batch": self.batch,
            "page": self.page,
            "get": self.get_one,
            "healthz": self.healthz,
            "ip": self.ip,
            "ip-batch": self.ip_batch,
            "pyroute2": self.pyroute2,
        }

    def add(self, row, clients, found):
        self.store.add(row, clients, self.present, self.turn, found)

    def alone(self, name):
        daemon = self.rig.daemons[name] if name else None
        self.rig.only(daemon)
        return daemon

    def creates(self, clients):
        """More where they take less time, as the beginning and the end count as well."""
        return self.plan.creates * min(clients, 5)

    def floor(self, clients):
        self.alone(None)
        made, removed = self.rig.floor("nsfloor", self.creates(clients), clients)
        self.add("floor create", clients, made)
        if clients == 1:
            self.add("floor delete", 1, removed)
            self.alone(None)
            self.add("floor create, loopback up", 1, self.rig.floor("nsfloor", self.plan.creates, 1, "lo")[0])

    def create_cold(self, clients):
        daemon = self.alone("cold")
        count = self.creates(clients)
        self.add("create, cold", clients, daemon.load("create", "c", "down", clients=clients, count=count))
        self.add("delete", clients, daemon.load("delete", "c", clients=clients, count=count))
        if clients == 1:
            self.alone("cold")
            created = daemon.load("create", "c", "up", clients=1, count=self.plan.creates)
            self.add("create, cold, loopback up", 1, created)
            daemon.load("delete", "c", clients=1, count=self.plan.creates)

    def create_warm(self, clients):
        """One burst, out of a pool that has more than that."""
        if not self.rig.has_pool or self.present > 0:
            return
        daemon = self.alone("warm")
        await_pool(daemon)
        before = pool_figure(daemon, "hits_total")
        made = daemon.load("create", "w", "up", clients=clients, count=self.plan.warm)
        hits = pool_figure(daemon, "hits_total") - before
        self.store.count(f"create, warm, {clients}, {self.present}", hits, self.plan.warm)
        self.add("create, warm", clients, made)
        daemon.load("delete", "w", clients=clients, count=self.plan.warm)

    def create_sustained(self, clients):
        if not self.rig.has_pool:
            return
        daemon = self.alone("default")
        count = self.creates(clients)
        created = daemon.load("create", "s", "down", clients=clients, count=count)
        self.add("create, back to back with the pool", clients, created)
        daemon.load("delete", "s", clients=clients, count=count)

    def churn(self, clients):
        self.alone(None)
        threads = min(clients, CORES)
        self.add("floor churn", clients, self.rig.floor("churnfloor", self.plan.churns, threads)[0])
        daemon = self.alone("default")
        found = daemon.load("churn", "x", "down", clients=clients, count=self.plan.churns)
        self.add("create and delete", clients, found)

    def batch(self, clients):
        if clients > 1:
            return
        self.alone(None)
        made, removed = self.rig.floor("nsfloor", BATCH, CORES)
        self.add("floor batch", 1, {"p50_us": BATCH / made["per_second"] * 1e6})
        self.add("floor batch delete", 1, {"p50_us": BATCH * removed["p50_us"]})
        daemon = self.alone("default")
        self.add(f"batch of {BATCH}", 1, as_one(daemon.batch("batch", BATCH)))
        self.add(f"delete {BATCH} by label", 1, as_one(daemon.delete_labelled("batch")))

    def page(self, clients):
        if self.present >= 100:
            self.read("list page of 100", "/v1/namespaces?limit=100", clients)

    def get_one(self, clients):
        self.read("GET one", f"/v1/namespaces/{ONE}", clients)

    def healthz(self, clients):
        self.read("GET /healthz", "/healthz", clients)

    def read(self, row, path, clients):
        daemon = self.rig.daemons["default"]
        self.rig.only(daemon)
        self.add(row, clients, daemon.load("get", path, clients=clients, count=200000, seconds=self.plan.reading))

    def ip(self, clients):
        if clients > 1 and self.present > 0:
            return
        self.alone(None)
        spawn, count = self.rig.program("spawnload"), self.plan.peers
        script = (f'{spawn} {count} {clients} p ip netns add && {spawn} {count} {clients} p ip netns del')
        added, removed = [figures(line) for line in self.rig.isolated("sh", "-c", script).splitlines()]
        self.add("ip netns add", clients, added)
        self.add("ip netns del", clients, removed)

    def ip_batch(self, clients):
        if clients > 1:
            return
        self.alone(None)
        count, file = self.plan.peers, self.rig.home / "ip.batch"
        file.write_text("".join(f"netns add p{number}\n" for number in range(count)))
        script = f'date +%s%N && ip -batch {file} && date +%s%N && ip netns list | wc -l'
        lines = self.rig.isolated("sh", "-c", script).split()
        if int(lines[2]) != count:
            raise Failure(f"ip -batch made {lines[2]} of {count} namespaces")
        each = (int(lines[1]) - int(lines[0])) / 1e3 / count
        self.add("ip -batch", 1, {"p50_us": each, "per_second": 1e6 / each})

    def pyroute2(self, clients):
        if clients > 1 or self.python is None:
            return
        self.alone(None)
        program = os.path.join(os.path.dirname(__file__), "pyroute.py")
        self.add("pyroute2", 1, figures(self.rig.isolated(self.python, program, str(self.plan.peers // 2), "p")))


def pool_figure(daemon, name):
    found = re.findall(rf"^netnsd_warm_{name}(?:{{.*}})? (\d+)", daemon.get("/metrics").decode(), re.MULTILINE)
    return sum(map(int, found))


def await_pool(daemon):
    """Returns when the pool is full, has what it wants of each kind, and the kernel has cleaned up after the rest."""
    end = time.monotonic() + 20
    dropped, since = -1, 0
    while pool_figure(daemon, "namespaces") < WARM_POOL or time.monotonic() - since < 0.2:
        if time.monotonic() > end:
            raise Failure(f"the pool of {WARM_POOL} was not filled")
        if (now := pool_figure(daemon, "dropped_total")) != dropped:
            dropped, since = now, time.monotonic()
        time.sleep(0.05)
    await_cleanup(quiet=0.15, longest=1.5)


def as_one(found):
    """Of a single request there is no 99th percentile."""
    if found["failures"]:
        raise Failure("a batch failed")
    return {"p50_us": found["p50_us"]}


def populate(rig, names, count, present):
    """Brings the daemons to as many namespaces."""
    for name in names:
        daemon = rig.daemons[name]
        rig.only(daemon)
        missing = count - present
        while missing > 0:
            step = min(missing, BATCH)
            daemon.batch("present", step)
            missing -= step
        total = daemon.page("limit=1")["total"]
        if total != count + 1:
            raise Failure(f"the daemon {name} has {total} namespaces, not {count + 1}")


def wrk(rig, port, path, seconds):
    """Requests a second over TCP as the issue's bar has them, and wrk's percentiles."""
    text = rig.output("wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}{path}")
    if "Non-2xx" in text:
        raise Failure(f"wrk {path}:\n{text}")
    units = {"us": 1, "ms": 1e3, "s": 1e6}
    found = {"per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))}
    for percent, field in (("50", "p50_us"), ("99", "p99_us")):
        value, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)", text, re.MULTILINE).groups()
        found[field] = float(value) * units[unit]
    return found
