"""Up to many namespaces on one host and down again: deploy/bench --scale N."""

import json
import pathlib
import re
import socket
import time

from report import amount, table
from rig import Failure, await_cleanup

STEP = 1000
# What the kernel takes for a namespace, and what is to be left to others.
KERNEL_BYTES = 256 << 10
RESERVE = 2 << 30


def memory_available():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))


class Limits:
    """Raises what stands in the way of so many namespaces, and puts it back."""

    def __init__(self, count):
        self.wanted = {"user/max_net_namespaces": count + 2000, "fs/mount-max": count + 10000}
        self.before = {}

    def __enter__(self):
        for name, wanted in self.wanted.items():
            file = pathlib.Path("/proc/sys", name)
            value = file.read_text().strip()
            if int(value) < wanted:
                self.before[file] = value
                file.write_text(str(wanted))
        return self

    def __exit__(self, *_):
        for file, value in self.before.items():
            file.write_text(value)


class Follower:
    """A reader of the stream of events, as an orchestrator would have it open all the time."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(daemon.socket))
        self.socket.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.socket.recv(1 << 16)

    def milliseconds_until(self, name, began):
        text = b""
        try:
            while name.encode() not in text:
                part = self.socket.recv(1 << 16)
                if not part:
                    return None
                text = text[-4096:] + part
        except TimeoutError:
            return None
        return (time.monotonic() - began) * 1e3

    def close(self):
        self.socket.close()


def climb(rig, daemon, count, progress):
    rows = []
    for first in range(0, count, STEP):
        size = min(STEP, count - first)
        made = daemon.load("create", f"k{first}-", "down", count=size)
        present = first + size
        floor = rig.floor("nsfloor", 100, 1)[0]
        rows.append({
            "present": present, "size": size, "prefix": f"k{first}-", "createP50": made["p50_us"],
            "createP99": made["p99_us"], "floorP50": floor["p50_us"], "residentBytes": daemon.memory(),
            "getP50": daemon.load("get", f"/v1/namespaces/k{first}-0", count=500)["p50_us"],
            "pageP50": daemon.load("get", f"/v1/namespaces?limit=100&after=k{first}-", count=50)["p50_us"]})
        progress(f"{present:,}: create p50 {made['p50_us']:.0f} µs, the floor's {floor['p50_us']:.0f} µs")
    return rows


def alive(daemon):
    """Whether events and metrics come, and after how long."""
    follower = Follower(daemon)
    began = time.monotonic()
    daemon.load("send", "PUT", "/v1/namespaces/seen-by-the-follower", "-", count=1)
    event = follower.milliseconds_until("seen-by-the-follower", began)
    follower.close()
    daemon.load("send", "DELETE", "/v1/namespaces/seen-by-the-follower", "-", count=1)
    began = time.monotonic()
    metrics = daemon.get("/metrics").decode()
    known = re.search(r'^netnsd_namespaces\{[^}]*origin="created"[^}]*\} (\d+)', metrics, re.MULTILINE)
    return {"eventMilliseconds": event, "metricsMilliseconds": (time.monotonic() - began) * 1e3,
            "metricsCount": int(known.group(1)) if known else None, "total": daemon.page("limit=1")["total"]}


def descend(daemon, rows, progress):
    began = time.monotonic()
    for row in reversed(rows):
        found = daemon.load("delete", row["prefix"], count=row["size"])
        row["deleteP50"], row["deleteP99"] = found["p50_us"], found["p99_us"]
        progress(f"{row['present'] - row['size']:,}: delete p50 {found['p50_us']:.0f} µs")
    deleted = time.monotonic() - began
    # The kernel's cleanup_net is behind.
    quiet = 0.5
    await_cleanup(quiet, longest=300)
    return {"deleteSeconds": deleted, "tearDownSeconds": time.monotonic() - began - quiet}


def restart(rig, progress):
    """How long a daemon takes to know again what there is."""
    old = rig.daemons["scale"]
    began = time.monotonic()
    old.process.terminate()
    old.process.wait(timeout=60)
    ended = time.monotonic()
    old.launch()
    progress("started again")
    return {"stopSeconds": ended - began, "startSeconds": time.monotonic() - ended}


def summary(rows, facts):
    heads = ["namespaces", "create p50 µs", "p99", "floor p50", "÷ floor", "GET one p50", "page p50", "RSS MiB",
             "delete p50 µs", "p99"]
    lines = [[amount(row["present"]), amount(row["createP50"]), amount(row["createP99"]), amount(row["floorP50"]),
              amount(row["createP50"] / row["floorP50"], 2), amount(row["getP50"]), amount(row["pageP50"]),
              amount(row["residentBytes"] / 2**20, 1), amount(row["deleteP50"]), amount(row["deleteP99"])]
             for row in rows]
    first, last = rows[0], rows[-1]
    event = facts["eventMilliseconds"]
    text = [
        table(heads, lines), "",
        f"create: the last thousand ÷ the first {last['createP50'] / first['createP50']:.2f} (bar: ≤ 1.3); "
        f"at most {max(row['createP50'] for row in rows) / first['createP50']:.2f}; "
        f"the floor's own {last['floorP50'] / first['floorP50']:.2f} (over 1.3 on some virtual machines, whose host "
        f"backs memory a page at a time)",
        f"delete: the fullest thousand ÷ the emptiest {last['deleteP50'] / first['deleteP50']:.2f}",
        f"memory: {facts['daemonBytesPerNamespace']:.0f} bytes a namespace in the daemon (bar: < 2048), "
        f"{facts['kernelBytesPerNamespace'] / 1024:.0f} KiB on the host",
        f"events: {'dead' if event is None else f'{event:.1f} ms from the request to the reader'}; "
        f"metrics: {facts['metricsMilliseconds']:.1f} ms, {facts['metricsCount']} namespaces in them; "
        f"list: {facts['total']} in all",
        f"the daemon stopped in {facts['stopSeconds']:.2f} s and was ready again, all records read, in "
        f"{facts['startSeconds']:.2f} s",
        f"teardown: {facts['deleteSeconds']:.1f} s for the deletes, {facts['tearDownSeconds']:.1f} s until the kernel "
        f"had cleaned up",
    ]
    return "\n".join(text)


def run(rig, count, directory, machine, version, progress):
    needed = count * KERNEL_BYTES + RESERVE
    if memory_available() < needed:
        raise Failure(
            f"{count:,} namespaces want {needed >> 30} GiB of memory, and {memory_available() >> 30} are available")
    with Limits(count):
        try:
            daemon = rig.start("scale", ["--allow-unauthenticated-tcp"])
            daemon.load("create", "first-", "down", count=100)
            daemon.load("delete", "first-", count=100)
            await_cleanup(0.5, longest=10)
            before = {"rss": daemon.memory(), "host": memory_available()}
            rows = climb(rig, daemon, count, progress)
            facts = alive(daemon)
            facts["daemonBytesPerNamespace"] = (daemon.memory() - before["rss"]) / count
            facts["kernelBytesPerNamespace"] = (before["host"] - memory_available()) / count
            facts |= restart(rig, progress)
            facts |= descend(daemon, rows, progress)
        finally:
            # Before the limits are put back.
            if "scale" in rig.daemons:
                rig.end("scale")
    print(f"{version} on {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
          f"Linux {machine['kernel']}\n")
    print(summary(rows, facts))
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "scale.json"
    file.write_text(json.dumps({"version": version, "machine": machine, "facts": facts, "rows": rows}, indent=1) + "\n")
    print(f"written: {file}")
    return 0
