"""What is measured besides the rounds: an idle daemon, what authentication costs, and libmicrohttpd's own floor."""

import contextlib
import os
import signal
import statistics
import subprocess
import time

from jobs import CORES, ONE, wrk
from rig import Failure, processor_seconds, resident_bytes, unmount


class Plain:
    """A daemon as its defaults have it, on an empty mount directory, with nothing but a Unix socket."""

    def __init__(self, rig, name):
        self.home = rig.home / name
        self.home.mkdir()
        command = [
            rig.binary, "serve", "--netns-dir", str(self.home / "netns"), "--state-dir", str(self.home / "state"),
            "--socket", str(self.home / "socket"), "--log-level", "notice"]
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            if b"netnsd is ready" in line:
                break
        self.milliseconds = (time.monotonic() - began) * 1e3

    def __enter__(self):
        if self.process.poll() is not None:
            raise Failure("the daemon did not become ready")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        unmount(self.home / "netns")


def idle(rig, plan, store):
    """From the start of the process to the line that says it is ready; then what it takes while nobody asks it."""
    rig.only(None)
    times = []
    for number in range(plan.starts):
        with Plain(rig, f"start{number}") as daemon:
            times.append(daemon.milliseconds)
    with Plain(rig, "idle") as daemon:
        time.sleep(2)
        process = daemon.process.pid
        before, began = processor_seconds(process), time.monotonic()
        time.sleep(plan.idling)
        used = (processor_seconds(process) - before) / (time.monotonic() - began)
        store.facts["idleResidentMiB"] = round(resident_bytes(process) / 2**20, 1)
    store.facts["startMilliseconds"] = round(statistics.median(times), 1)
    store.facts["idleProcessorPercent"] = round(used * 100, 3)
    store.facts["idleSeconds"] = plan.idling


def certificates(home):
    """An authority, a server's and a client's certificate, made for this run."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=home, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        (home / f"{name}.ext").write_text(f"subjectAltName=DNS:localhost\nextendedKeyUsage={usage}\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        (home / f"{name}.key").chmod(0o600)


@contextlib.contextmanager
def apart(daemons):
    """Keeps the daemons on one core and what is started meanwhile on another: an answer over TCP takes half as long where
    the scheduler has put client and server on one, which it does now and then, and would hide all that is looked for."""
    cores = sorted(os.sched_getaffinity(0))
    for process in daemons:
        for thread in os.listdir(f"/proc/{process}/task"):
            os.sched_setaffinity(int(thread), {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def authentication(rig, plan, store):
    """The median of GET one over loopback with and without each way to say who one is, keep-alive, taken in turns."""
    home = rig.home / "auth"
    home.mkdir()
    certificates(home)
    tokens = home / "tokens"
    token = rig.output(rig.binary, "token", "new", "--token-file", str(tokens), "--role", "viewer").split()[-1]
    anyone = "--allow-unauthenticated-tcp"
    server = ["--tls-certificate", str(home / "server.pem"), "--tls-key", str(home / "server.key")]
    rig.start("clear", [anyone])
    rig.start("token", ["--token-file", str(tokens)])
    rig.start("tls", [*server, anyone])
    rig.start("mutual", [*server, "--tls-client-ca", str(home / "ca.pem"), "--certificate-role", "CN=client=viewer"])
    own = {"ca": home / "ca.pem"}
    client = {"certificate": home / "client.pem", "key": home / "client.key"}
    ways = [
        ("TCP, nobody asked", "clear", "tcp", {}),
        ("TCP, bearer token", "token", "tcp", {"header": f"Authorization: Bearer {token}"}),
        ("TLS, nobody asked", "tls", "tls", own),
        ("TLS, client certificate", "mutual", "tls", own | client),
    ]
    names = [name for _, name, _, _ in ways]
    for name in names:
        rig.daemons[name].load("send", "PUT", f"/v1/namespaces/{ONE}", "-", count=1)
    for name, daemon in rig.daemons.items():
        if name not in names:
            daemon.hold()
    time.sleep(0.5)
    with apart([rig.daemons[name].process.pid for name in names]):
        for turn in range(plan.rounds * 3):
            for row, name, scheme, options in ways if turn % 2 == 0 else reversed(ways):
                daemon = rig.daemons[name]
                found = daemon.load("get", f"/v1/namespaces/{ONE}", target=f"{scheme}:{daemon.port}",
                                    count=plan.asking, **options)
                store.add(row, 1, 0, turn, found)
    for name in names:
        rig.end(name)


def http_floor(rig, plan, store, present):
    """`wrk -t1 -c32` at the daemon and at mhdfloor answering the same bytes, in turns."""
    daemon = rig.daemons["default"]
    rig.only(daemon)
    paths = {
        "GET /healthz": "/healthz",
        "GET one": f"/v1/namespaces/{ONE}",
        "list page of 100": "/v1/namespaces?limit=100",
    }
    if present < 100:
        del paths["list page of 100"]
    floors = {row: rig.serve_bytes(daemon.get(path), CORES) for row, path in paths.items()}
    for turn in range(plan.wrk_rounds):
        for row, path in paths.items():
            store.add(f"wrk, {row}", 32, present, turn, wrk(rig, daemon.port, path, plan.wrk_seconds))
            store.add(f"mhdfloor, {row}", 32, present, turn, wrk(rig, floors[row][0], "/", plan.wrk_seconds))
    for _, process in floors.values():
        process.terminate()
        process.wait()
