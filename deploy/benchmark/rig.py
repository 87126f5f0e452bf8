"""What a benchmark stands on: directories and daemons of its own, the C programs, and their removal afterwards."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = {
    "nsfloor": ["-lpthread"],
    "churnfloor": ["-lpthread"],
    "spawnload": [],
    "httpload": ["-lgnutls"],
    "mhdfloor": ["-lmicrohttpd"],
}
MNT_DETACH = 2
libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """What ends a benchmark: a program that failed, an answer that should not be."""


def figures(line):
    """The NAME=NUMBER in a line of one of the C programs."""
    return {name: float(number) for name, number in re.findall(r"(\w+)=(-?[\d.]+)", line)}


def resident_bytes(process):
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


def processor_seconds(process):
    """What its threads have run, those that have ended included, by the process's clock (clock_getcpuclockid(3))."""
    return time.clock_gettime((~process << 3) | 2)


def unmount(directory):
    """All mounts of the directory, and with them what is mounted in it."""
    while libc.umount2(os.fsencode(directory), MNT_DETACH) == 0:
        pass


def is_cleaning():
    """Whether the kernel's cleanup_net is at work: a kernel worker has a plus and its queue's name in its own then."""
    for process in os.listdir("/proc"):
        if process.isdigit():
            try:
                with open(f"/proc/{process}/comm") as file:
                    if file.read().rstrip().endswith("+netns"):
                        return True
            except OSError:
                pass  # It has ended.
    return False


def await_cleanup(quiet, longest):
    """Returns when cleanup_net has had nothing to do for so many seconds, or anyway after the longest time."""
    end = time.monotonic() + longest
    since = time.monotonic()
    while (now := time.monotonic()) < end and now - since < quiet:
        time.sleep(0.02)
        if is_cleaning():
            since = time.monotonic()


class Daemon:
    """One netnsd with a mount and a state directory of its own, behind a Unix socket and a TCP port of loopback."""

    def __init__(self, rig, name, flags=()):
        self.rig = rig
        self.name = name
        self.home = rig.home / name
        self.home.mkdir()
        self.netns = self.home / "netns"
        self.socket = self.home / "socket"
        self.port = 0
        # The limits of one principal are off: they are for many clients, and all that comes here is root's.
        self.command = [
            "setpriv", "--pdeathsig", "TERM", rig.binary, "serve", "--netns-dir", str(self.netns), "--state-dir",
            str(self.home / "state"), "--socket", str(self.socket), "--listen", "127.0.0.1:0", "--log-level", "notice",
            "--max-creations-per-second", "0", "--max-namespaces-per-principal", "0", *flags]
        self.log = self.home / "log"
        self.is_stopped = False
        self.launch()

    def launch(self):
        """Starts it, and returns when it is ready."""
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=log)
        self.rig.daemons[self.name] = self
        self.await_ready()

    def await_ready(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            text = self.log.read_text(errors="replace")
            found = re.search(r"https?://127\.0\.0\.1:(\d+)", text)
            if "netnsd is ready" in text and found:
                self.port = int(found.group(1))
                return
            time.sleep(0.02)
        raise Failure(f"the daemon {self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def hold(self):
        """Stops its threads: every mount on the host wakes whoever watches the table of mounts, this daemon too."""
        if not self.is_stopped:
            self.process.send_signal(signal.SIGSTOP)
            self.is_stopped = True

    def resume(self):
        if self.is_stopped:
            self.process.send_signal(signal.SIGCONT)
            self.is_stopped = False

    def load(self, *arguments, target=None, **options):
        """Runs httpload at it, and answers its figures."""
        command = [self.rig.program("httpload"), target or f"unix:{self.socket}", *arguments]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return figures(self.rig.output(*command))

    def get(self, path):
        """The body of an answer, by a connection of its own."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.socket))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := client.recv(1 << 16):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failure(f"GET {path}: {head.splitlines()[:1]}")
        return body

    def page(self, query):
        return json.loads(self.get("/v1/namespaces?" + query))

    def batch(self, label, count):
        """Creates as many at once, and answers the figures of the one request."""
        body = self.home / "batch.json"
        if not body.exists() or json.loads(body.read_text())["items"][0]["labels"]["bench"] != label \
                or len(json.loads(body.read_text())["items"]) != count:
            item = {"loopback": "down", "labels": {"bench": label}}
            body.write_text(json.dumps({"items": [item] * count}))
        return self.load("send", "POST", "/v1/namespaces:batch", str(body), count=1)

    def delete_labelled(self, label):
        return self.load("send", "DELETE", f"/v1/namespaces?label=bench={label}", "-", count=1)

    def memory(self):
        return resident_bytes(self.process.pid)

    def end(self):
        """Ends it, and lets go of what it has named."""
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # Without its mounts the directory's files are plain ones.
        unmount(self.netns)
        shutil.rmtree(self.home, ignore_errors=True)


def interrupt(*_):
    raise KeyboardInterrupt


class Rig:
    """Everything that a benchmark has made; leaving it removes that."""

    def __init__(self, binary):
        help_text = subprocess.run([binary, "serve", "--help"], capture_output=True, text=True, check=True).stdout
        self.has_pool = "--warm " in help_text
        self.binary = binary
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="netnsd-bench-", dir="/tmp"))
        self.daemons = {}
        self.helpers = []
        self.notes = []

    def __enter__(self):
        # A signal ends the benchmark as an error does, so that nothing is left.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, interrupt)
        # What is in /run on a host is in memory, and is so here, for the floors and the tools as well.
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g,mode=0700", "netnsd-bench", str(self.home)], check=True)
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        for helper in self.helpers:
            if helper.poll() is None:
                helper.terminate()
                helper.wait()
        for daemon in list(self.daemons.values()):
            daemon.end()
        unmount(self.home)
        self.home.rmdir()

    def build(self):
        for name, libraries in PROGRAMS.items():
            self.output("cc", "-O2", "-o", str(self.home / name), str(HERE / f"{name}.c"), *libraries)

    def program(self, name):
        return str(self.home / name)

    def output(self, *command, **options):
        """What a command prints; it is killed after two minutes."""
        result = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, **options)
        if result.returncode != 0:
            raise Failure(f"{' '.join(command)[:300]}: status {result.returncode}\n{result.stderr[-2000:]}")
        return result.stdout

    def floor(self, name, *arguments):
        """Runs a C floor in a mount namespace whose /tmp, where it has its directory, is in memory."""
        program = os.open(self.program(name), os.O_RDONLY | os.O_CLOEXEC)
        script = f'mount -t tmpfs bench /tmp && exec /proc/self/fd/{program} "$@"'
        try:
            text = self.output("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                               *map(str, arguments), pass_fds=[program])
        finally:
            os.close(program)
        return [figures(line) for line in text.splitlines()]

    def isolated(self, *command):
        """Runs a tool that knows no other directory than /run/netns in a mount namespace that has an empty one."""
        script = 'mount -t tmpfs bench /run && exec "$@"'
        return self.output("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command)

    def start(self, name, flags=()):
        return Daemon(self, name, flags)

    def end(self, name):
        self.daemons.pop(name).end()

    def only(self, daemon):
        """Lets this daemon run alone, or none, once the kernel has cleaned up after what came before."""
        for other in self.daemons.values():
            if other is not daemon:
                other.hold()
        if daemon is not None:
            daemon.resume()
        # Others on the host may keep it busy without end.
        await_cleanup(quiet=0.15, longest=1.5)

    def serve_bytes(self, content, threads):
        """Starts mhdfloor with these bytes as its answer; its port and its process."""
        file = self.home / "floor.bytes"
        file.write_bytes(content)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([self.program("mhdfloor"), str(port), str(threads), "600", str(file)])
        self.helpers.append(process)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return port, process
            except OSError:
                time.sleep(0.02)
        raise Failure("mhdfloor did not start")


def python_environment(rig):
    """A Python with pyroute2, or None where PyPI cannot be reached."""
    venv = rig.home / "venv"
    try:
        rig.output("/usr/bin/python3", "-m", "venv", str(venv))
        rig.output(str(venv / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", "pyroute2")
    except (Failure, subprocess.TimeoutExpired) as error:
        rig.notes.append(f"pyroute2 is left out, as it could not be installed: {str(error).splitlines()[-1][:200]}")
        return None
    return str(venv / "bin/python")


def host():
    """The machine that the figures are of."""
    model = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) >> 20
    return {
        "processor": model, "cores": os.cpu_count(), "memoryGiB": memory, "kernel": os.uname().release,
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "loadAverage": round(os.getloadavg()[0], 2),
    }
