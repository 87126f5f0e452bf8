"""A long mixed load with faults: soak.py DAEMON SECONDS [SECONDS BETWEEN SAMPLES]; see deploy/soak."""

import collections
import ctypes
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)
# Statuses that a worker may meet, since others take its namespaces away.
EXPECTED = {200, 201, 204, 404, 409, 410, 412, 422}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Soak:
    def __init__(self, daemon, seconds, home):
        self.home = home
        self.socket = home + "/socket"
        self.log = open(home + "/log", "wb")
        # The state directory is small, so that it can be filled.
        os.mkdir(home + "/state")
        subprocess.check_call(["mount", "-t", "tmpfs", "-o", "size=32m,nr_inodes=20000", "soak", home + "/state"])
        self.process = subprocess.Popen(
            [daemon, "serve", "--netns-dir", home + "/netns", "--state-dir", home + "/state", "--socket", self.socket,
             "--log-level", "notice"],
            stderr=self.log)
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.statuses = collections.Counter()
        self.unexpected = collections.Counter()
        self.done = collections.Counter()
        # While the state directory is full, a 503 that says so is the right answer.
        self.full = threading.Event()
        self.full_until = 0.0

    def running(self):
        return time.monotonic() < self.end and self.process.poll() is None

    def send(self, connection, method, path, body=None, headers=None):
        fields = {"Content-Type": "application/json"} if body is not None else {}
        text = json.dumps(body) if body is not None else None
        began = time.monotonic()
        connection.request(method, path, text, {**fields, **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        with self.lock:
            self.statuses[response.status] += 1
            if response.status not in EXPECTED and not self.is_of_the_fault(response.status, content, began):
                self.unexpected[f"{method} {path.split('?')[0]}: {response.status} {content[:300]!r}"] += 1
        is_json = (response.getheader("Content-Type") or "").endswith("json")
        return response.status, json.loads(content) if is_json and content else None

    def is_of_the_fault(self, status, content, began):
        is_storage = b"storage-failure" in content and status in (200, 503)
        return is_storage and (self.full.is_set() or began < self.full_until)

    # Each of these is one round of a worker.

    def lives(self, connection, rng):
        status, made = self.send(connection, "POST", "/v1/namespaces", {"labels": {"soak": "one"}, "leaseSeconds": 600})
        if status != 201:
            return
        item = "/v1/namespaces/" + made["name"]
        self.send(connection, "GET", item)
        self.send(connection, "PATCH", item, {"labels": {"round": str(rng.randrange(9))}})
        self.send(connection, "POST", item + "/renew")
        self.send(connection, "GET", item + "/processes")
        self.send(connection, "DELETE", item)

    def ensures(self, connection, rng):
        item = f"/v1/namespaces/e{rng.randrange(20)}"
        self.send(connection, "PUT", item, {"labels": {"soak": "ensured"}})
        self.send(connection, "DELETE" if rng.randrange(3) == 0 else "GET", item)

    def lists(self, connection, rng):
        self.send(connection, "GET", "/v1/namespaces?limit=50&label=soak")
        self.send(connection, "GET", rng.choice(["/readyz", "/healthz", "/v1/host", "/openapi.yaml"]))
        time.sleep(0.02)

    def batches(self, connection, rng):
        label = f"b{rng.randrange(1 << 30)}"
        items = [{"labels": {"soak": label}} for _ in range(20)]
        if rng.randrange(4) == 0:
            items += [{"name": "e1", "labels": {"soak": label}}, {"from": {"pid": os.getpid()}}]
        key = {"Idempotency-Key": label}
        body = {"atomic": rng.randrange(2) == 0, "items": items}
        self.send(connection, "POST", "/v1/namespaces:batch", body, key)
        self.send(connection, "POST", "/v1/namespaces:batch", body, key)
        self.send(connection, "DELETE", "/v1/namespaces?label=soak=" + label)
        time.sleep(0.05)

    def leases(self, connection, rng):
        for _ in range(5):
            self.send(connection, "POST", "/v1/namespaces", {"labels": {"soak": "leased"}, "leaseSeconds": 1})
        time.sleep(0.5)

    def hangs_up(self, connection, rng):
        """Asks and does not wait, at any moment of an exchange."""
        request = (b"POST /v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                   b'Content-Length: 46\r\n\r\n{"labels":{"soak":"left"}, "leaseSeconds":   1}')
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.socket)
            client.sendall(request[:rng.randrange(len(request) + 1)])
            time.sleep(rng.choice([0, 0, 0.0005, 0.002]))

    def drips(self, connection, rng):
        """Sends a byte a second, on 20 connections."""
        clients = []
        for _ in range(20):
            client = socket.socket(socket.AF_UNIX)
            client.connect(self.socket)
            clients.append(client)
        try:
            for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: 0123456789":
                for client in clients:
                    client.send(bytes([byte]))
                time.sleep(1)
                if not self.running():
                    break
        except OSError:
            pass  # It has had enough of us, which is its right.
        for client in clients:
            client.close()

    def follows(self, connection, rng):
        """Reads events for a while, some as slowly as one can."""
        is_slow = rng.randrange(3) == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(self.socket)
            client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n")
            until = time.monotonic() + rng.uniform(1, 15)
            while time.monotonic() < until and self.running():
                if not client.recv(64 if is_slow else 65536):
                    break
                if is_slow:
                    time.sleep(0.2)

    def interferes(self, connection, rng):
        """Does behind its back what ip netns and umount do."""
        names = os.listdir(self.home + "/netns")
        if names:
            path = f"{self.home}/netns/{rng.choice(names)}"
            libc.umount2(path.encode(), MNT_DETACH)
            if rng.randrange(2) == 0:
                try:
                    os.unlink(path)
                except OSError:
                    pass
        self.send(connection, "POST", "/v1/namespaces:prune")
        time.sleep(0.3)

    def fills(self, connection, rng):
        """Fills the state directory for half a second, every 20 seconds."""
        for _ in range(200):
            time.sleep(0.1)
            if not self.running():
                return
        self.full.set()
        path = self.home + "/state/filler"
        try:
            with open(path, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError:
            pass
        time.sleep(0.5)
        os.unlink(path)
        with self.lock:
            self.full_until = time.monotonic()
            self.full.clear()

    def work(self, name, seed):
        rng = random.Random(seed)
        connection = UnixConnection(self.socket)
        while self.running():
            try:
                getattr(self, name)(connection, rng)
                with self.lock:
                    self.done[name] += 1
            except Exception as error:  # What a worker dies of is a finding, not the end of the others.
                connection.close()
                if self.running():
                    with self.lock:
                        self.unexpected[f"{name}: {error!r}"] += 1
                    time.sleep(0.1)

    # What the daemon holds.

    def sample(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        return {
            "rss": int(status["VmRSS"].split()[0]),
            "fds": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "threads": int(status["Threads"]),
            "names": len(os.listdir(self.home + "/netns")),
        }

    def settle(self):
        """Deletes everything, and waits for connections to be closed."""
        connection = UnixConnection(self.socket)
        while True:
            _, page = self.send(connection, "GET", "/v1/namespaces?limit=1000")
            for namespace in page["namespaces"]:
                self.send(connection, "DELETE", "/v1/namespaces/" + namespace["name"])
            if not page["namespaces"]:
                break
        connection.close()
        time.sleep(2)


WORKERS = ["lives", "lives", "ensures", "ensures", "lists", "batches", "leases", "hangs_up", "drips", "follows",
           "follows", "follows", "interferes", "fills"]


def run(soak, interval):
    print(f"{'s':>7} {'VmRSS kB':>9} {'fds':>5} {'threads':>7} {'names':>6} {'answers':>9} {'5xx':>6} {'odd':>5}")
    samples = []
    began = time.monotonic()
    threads = [threading.Thread(target=soak.work, args=(name, index)) for index, name in enumerate(WORKERS)]
    for thread in threads:
        thread.start()
    while soak.running():
        time.sleep(min(interval, max(0.0, soak.end - time.monotonic())))
        if soak.process.poll() is not None:
            break
        sample = soak.sample()
        samples.append(sample)
        with soak.lock:
            failures = sum(count for status, count in soak.statuses.items() if status >= 500)
            print(f"{time.monotonic() - began:7.0f} {sample['rss']:9} {sample['fds']:5} {sample['threads']:7} "
                  f"{sample['names']:6} {sum(soak.statuses.values()):9} {failures:6} {sum(soak.unexpected.values()):5}",
                  flush=True)
    for thread in threads:
        thread.join()
    return samples


def verdict(soak, samples, before):
    """Flat is: the last quarter holds no more than a tenth and 4 MB above the second quarter, memory by its median."""
    faults = []
    if soak.process.poll() is not None:
        return [f"the daemon has ended: {soak.process.returncode}"]
    soak.settle()
    after = soak.sample()
    print(f"idle before: {before}\nidle after:  {after}")
    quarter = max(1, len(samples) // 4)
    for what, slack in [("rss", 4096), ("fds", 40), ("threads", 8)]:
        early = sorted(sample[what] for sample in samples[quarter:2 * quarter] or samples)
        late = sorted(sample[what] for sample in samples[-quarter:])
        early, late = early[len(early) // 2], late[len(late) // 2]
        print(f"{what}: {early} in the second quarter, {late} in the last (medians)")
        if late > early * 1.1 + slack:
            faults.append(f"{what} grows: {early} to {late}")
    if after["fds"] > before["fds"] + 2:
        faults.append(f"descriptors are left: {before['fds']} before, {after['fds']} after")
    if after["names"]:
        faults.append(f"{after['names']} names are left")
    for what, count in soak.unexpected.most_common(20):
        faults.append(f"{count} times {what}")
    return faults


def main():
    seconds = float(sys.argv[2])
    interval = float(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] else max(1.0, seconds / 60)
    home = tempfile.mkdtemp(prefix="netnsd-soak-", dir="/tmp")
    soak = Soak(sys.argv[1], seconds, home)
    try:
        for _ in range(300):
            if b"netnsd is ready" in open(home + "/log", "rb").read():
                break
            time.sleep(0.1)
        before = soak.sample()
        faults = verdict(soak, run(soak, interval), before)
        print("rounds:", dict(soak.done))
        print("statuses:", dict(sorted(soak.statuses.items())))
        if soak.process.poll() is None:
            soak.process.send_signal(signal.SIGTERM)
            if soak.process.wait(timeout=30) != 0:
                faults.append(f"SIGTERM: exit status {soak.process.returncode}")
        for fault in faults:
            print("fault:", fault)
        if faults:
            print(open(home + "/log", "rb").read()[-4000:].decode(errors="replace"))
        print("verdict:", "failed" if faults else "flat, and no answer that should not be")
        return 1 if faults else 0
    finally:
        soak.process.kill()
        soak.process.wait()
        netns = home + "/netns"
        for name in os.listdir(netns) if os.path.isdir(netns) else []:
            while libc.umount2(f"{netns}/{name}".encode(), MNT_DETACH) == 0:
                pass
        for path in (netns, home + "/state"):
            while libc.umount2(path.encode(), MNT_DETACH) == 0:
                pass
        shutil.rmtree(home)


sys.exit(main())
