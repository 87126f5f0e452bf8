"""What a wire and a list of links take over HTTP, next to ip(8) in a batch; see deploy/bench-wires.

Each round does the same with both, by turns, in namespaces that the kernel has cleaned up before. ip(8) is charged for
what it does alone: of its batch's time that of an empty batch is taken off, which is the start of the process.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import rig

LINKS = 100


class Client:
    """One connection, which is kept."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))

    @staticmethod
    def request(method, path, body=None):
        content = b"" if body is None else json.dumps(body).encode()
        kind = "Content-Type: application/json\r\n" if content else ""
        return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {len(content)}\r\n\r\n".encode() + content

    def exchange(self, request, status):
        """Sends a request, and answers the time until its whole answer was there, in microseconds, with the answer."""
        began = time.perf_counter()
        self.socket.sendall(request)
        answer = self.socket.recv(1 << 20)
        end = answer.find(b"\r\n\r\n")
        while end < 0:
            answer += self.socket.recv(1 << 20)
            end = answer.find(b"\r\n\r\n")
        head = answer[:end].lower()
        length = 0
        if (at := head.find(b"content-length:")) >= 0:
            length = int(head[at + 15:].split(b"\r\n")[0])
        parts, missing = [answer], end + 4 + length - len(answer)
        while missing > 0:
            parts.append(self.socket.recv(1 << 20))
            missing -= len(parts[-1])
        took = (time.perf_counter() - began) * 1e6
        if not answer.startswith(b"HTTP/1.1 %d " % status):
            raise rig.Failure(f"{request[:200]}: {b''.join(parts)[:2000]}")
        return took, b"".join(parts)

    def ask(self, method, path, status, body=None):
        return self.exchange(self.request(method, path, body), status)


def addresses(number):
    net = f"10.{number // 250}.{number % 250}"
    return f"{net}.1/24", f"{net}.2/24"


class Tool:
    """ip(8) in the daemon's namespaces."""

    def __init__(self, daemon):
        self.netns = daemon.netns
        self.files = tempfile.TemporaryDirectory(prefix="netnsd-bench-", dir="/tmp")
        self.devnull = os.open(os.devnull, os.O_RDWR)

    def batch(self, name, lines, *flags):
        """The time of a batch inside, in microseconds, with the start of nsenter(1) and ip(8)."""
        path = f"{self.files.name}/batch"
        with open(path, "w") as file:
            file.write("".join(line + "\n" for line in lines))
        command = ["nsenter", f"--net={self.netns}/{name}", "ip", *flags, "-batch", path]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=self.devnull, stdout=self.devnull)
        status = process.wait()
        took = (time.perf_counter() - began) * 1e6
        if status != 0:
            raise rig.Failure(f"{command}: status {status}")
        return took

    def start(self, name, *flags):
        """The time of a batch of nothing: the median of some."""
        return statistics.median(self.batch(name, [], *flags) for _ in range(5))

    def wires(self, count):
        """The time of a wire, in microseconds, when so many are made."""
        a, b = [], []
        for number in range(count):
            here, there = addresses(number)
            a += [f"link add x{number} up type veth peer name y{number} netns {self.netns}/b",
                  f"addr add {here} dev x{number}"]
            b += [f"link set y{number} up", f"addr add {there} dev y{number}"]
        starts = self.start("a") + self.start("b")
        return (self.batch("a", a) + self.batch("b", b) - starts) / count


def wires(client, count):
    requests = []
    for number in range(count):
        here, there = addresses(number)
        requests.append(Client.request("POST", "/v1/wires", {
            "id": f"w{number}", "a": {"namespace": "a", "link": f"x{number}", "addresses": [here]},
            "b": {"namespace": "b", "link": f"y{number}", "addresses": [there]}}))
    times = [client.exchange(request, 201)[0] for request in requests]
    return statistics.mean(times), statistics.median(times)


def renew(client, names):
    """Makes namespaces of these names, which have nothing in them."""
    for name in names:
        client.exchange(Client.request("DELETE", f"/v1/namespaces/{name}"), 204)
    rig.await_cleanup(quiet=0.15, longest=3)
    for name in names:
        client.ask("PUT", f"/v1/namespaces/{name}", 201, {})


def spread(values):
    values = sorted(values)
    return {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}


def measure_wires(client, tool, rounds, count):
    ours, medians, theirs = [], [], []
    for number in range(rounds):
        def by_http():
            renew(client, "ab")
            mean, median = wires(client, count)
            ours.append(mean)
            medians.append(median)

        def by_tool():
            renew(client, "ab")
            theirs.append(tool.wires(count))

        for job in (by_http, by_tool) if number % 2 == 0 else (by_tool, by_http):
            job()
    return {"http": spread(ours), "http_p50": spread(medians), "ip": spread(theirs),
            "ratio": statistics.median(ours) / statistics.median(theirs)}


def measure_list(client, tool, rounds, name):
    ours, theirs = [], []
    count = 20
    request = Client.request("GET", f"/v1/namespaces/{name}/links")
    _, answer = client.exchange(request, 200)
    shown = json.loads(answer.partition(b"\r\n\r\n")[2])["links"]
    if len(shown) != LINKS or not all(link["statistics"] for link in shown):
        raise rig.Failure(f"{len(shown)} links in {name}")
    for number in range(rounds):
        def by_http():
            ours.append(statistics.median(client.exchange(request, 200)[0] for _ in range(count)))

        def by_tool():
            start = tool.start(name, "-j", "-s")
            # The first that a process lists costs it a look at all links more.
            theirs.append((tool.batch(name, ["link show"] * count, "-j", "-s") - start) / count)

        for job in (by_http, by_tool) if number % 2 == 0 else (by_tool, by_http):
            job()
    once = statistics.median(tool.batch(name, ["link show"], "-j", "-s") for _ in range(rounds)) \
        - tool.start(name, "-j", "-s")
    return {"http": spread(ours), "ip": spread(theirs), "ip_once": once, "bytes": len(answer),
            "ratio": statistics.median(ours) / statistics.median(theirs)}


def show(title, figures):
    print(f"{title}: netnsd {figures['http']['median']:.0f} us ({figures['http']['lowest']:.0f}-"
          f"{figures['http']['highest']:.0f}), ip {figures['ip']['median']:.0f} us ({figures['ip']['lowest']:.0f}-"
          f"{figures['ip']['highest']:.0f}), {figures['ratio']:.2f} times")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--wires", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    with rig.Rig(os.path.abspath(options.binary)) as stand:
        daemon = stand.start("wires", ["--allow-unauthenticated-tcp"])
        client, tool = Client(daemon.socket), Tool(daemon)
        for name in "ab":
            client.ask("PUT", f"/v1/namespaces/{name}", 201, {})
        wires(client, 5)
        results["wire"] = measure_wires(client, tool, options.rounds, options.wires)
        show("A wire with an address on both ends", results["wire"])
        print(f"  (netnsd's median of single ones {results['wire']['http_p50']['median']:.0f} us)")
        # Loopback is one, and one has its peer elsewhere.
        for name in ("near", "far", "other"):
            client.ask("PUT", f"/v1/namespaces/{name}", 201, {})
        pairs = [f"link add x{number} type veth peer name y{number}" for number in range(LINKS // 2 - 1)]
        tool.batch("near", pairs + ["link add z type ifb"])
        far = [f"link add x{number} type veth peer name y{number} netns {tool.netns}/other" for number in range(LINKS - 1)]
        tool.batch("far", far)
        for name, title in (("near", "peers beside them"), ("far", "peers in another namespace")):
            results[name] = measure_list(client, tool, options.rounds, name)
            show(f"{LINKS} links with statistics, {title}", results[name])
            print(f"  ({results[name]['bytes']} bytes; ip once in a process of its own {results[name]['ip_once']:.0f} us)")
    if options.json:
        print(json.dumps(results, indent=1))


if __name__ == "__main__":
    try:
        main()
    except (rig.Failure, KeyboardInterrupt) as failure:
        sys.exit(f"bench-wires: {failure or 'interrupted'}")
