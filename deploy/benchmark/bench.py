"""Measures netnsd and its peers in one interleaved run: bench.py DAEMON [OPTION...]; see deploy/bench."""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

import curves
import report
import scale
import stages
from jobs import ONE, WARM_POOL, Jobs, populate
from rig import HERE, Failure, Rig, host, python_environment
from store import Store

TOP = HERE.parent.parent
STAGES = ["idle", "auth", "wrk"]


@dataclass
class Plan:
    """How much is measured; the whole is to take less than ten minutes on two cores."""

    # On a machine that is slow or busy, no more rounds are begun after so many seconds than one for each population.
    longest: int = 420
    rounds: int = 5
    # Fewer rounds do where only the trend is of interest.
    later_rounds: int = 3
    clients: list = field(default_factory=lambda: [1, 2, 8, 32])
    populations: list = field(default_factory=lambda: [0, 1000, 10000])
    creates: int = 200
    warm: int = 120
    churns: int = 600
    peers: int = 50
    reading: float = 0.25
    asking: int = 1500
    wrk_rounds: int = 3
    wrk_seconds: int = 2
    starts: int = 7
    idling: float = 10.0

    @staticmethod
    def quick():
        return Plan(
            rounds=2, later_rounds=2, clients=[1, 2, 8], populations=[0, 1000], creates=100, warm=48, churns=150,
            peers=20, reading=0.15, asking=800, wrk_rounds=1, starts=3, idling=5.0)


def progress(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def rounds(rig, plan, store, chosen, began):
    """All jobs by turns, with ever more namespaces present."""
    jobs = Jobs(rig, plan, store)
    table = {name: job for name, job in jobs.table().items() if name in chosen}
    if "pyroute2" in table:
        jobs.python = python_environment(rig)
    for index, present in enumerate(plan.populations):
        if index == 1 and "warm" in rig.daemons:
            # It would otherwise go on having its pool, among the namespaces that are counted.
            rig.end("warm")
        populate(rig, ["cold", "default"], present, plan.populations[index - 1] if index else 0)
        jobs.present = present
        for jobs.turn in range(plan.rounds if index == 0 else plan.later_rounds):
            if jobs.turn > 0 and time.monotonic() > began + plan.longest:
                rig.notes.append(f"Time was short: {jobs.turn} rounds with {present:,} namespaces present.")
                break
            progress(f"{present:,} namespaces present, round {jobs.turn + 1}")
            for clients in plan.clients:
                for job in table.values():
                    job(clients)


def choose(only):
    """The jobs and stages whose names have one of these in them; everything without."""
    names = [*Jobs(None, None, None).table(), *STAGES]
    if not only:
        return set(names)
    unknown = [part for part in only if not any(part in name for name in names)]
    if unknown:
        raise SystemExit(f"--only {unknown[0]}: there are {', '.join(names)}")
    # A whole name means that one alone.
    chosen = {name for name in names if any(part == name or (part in name and part not in names) for part in only)}
    return chosen | ({"floor"} if chosen - set(STAGES) else set())


def measure(rig, plan, store, chosen, began):
    rig.build()
    anyone = "--allow-unauthenticated-tcp"
    rig.start("cold", [anyone, *(["--warm", "0"] if rig.has_pool else [])])
    rig.start("default", [anyone])
    if not rig.has_pool:
        rig.notes.append("This daemon has no pool of namespaces made in advance, so there are no rows of it.")
    for daemon in rig.daemons.values():
        daemon.load("send", "PUT", f"/v1/namespaces/{ONE}", "-", count=1)
    if "idle" in chosen:
        progress("an idle daemon")
        stages.idle(rig, plan, store)
    if "auth" in chosen:
        progress("what authentication costs")
        stages.authentication(rig, plan, store)
    if rig.has_pool and "create-warm" in chosen:
        rig.start("warm", [anyone, "--warm", str(WARM_POOL)])
    if chosen - set(STAGES):
        rounds(rig, plan, store, chosen, began)
    if "wrk" in chosen:
        present = plan.populations[-1]
        if not chosen - set(STAGES):
            populate(rig, ["default"], present, 0)
        progress("wrk, against libmicrohttpd alone")
        stages.http_floor(rig, plan, store, present)


def write(directory, is_for_readme, plan, store, machine, version, notes, seconds):
    directory.mkdir(parents=True, exist_ok=True)
    text = report.document(store, plan, machine, version, notes, seconds)
    print(text)
    result = {"version": version, "machine": machine, "seconds": round(seconds, 1), "plan": asdict(plan),
              "notes": notes, "facts": store.facts, "poolHits": store.hits,
              "bars": report.bars(store, plan), "rows": store.rows()}
    (directory / "results.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    caption = f"{version}, {machine['date']}, {machine['cores']} cores, Linux {machine['kernel']}"
    drawing = curves.svg(store, plan.clients, plan.populations, caption)
    if drawing:
        (directory / "scaling.svg").write_text(drawing)
    if is_for_readme:
        picture = "![Scaling curves](deploy/benchmark/scaling.svg)\n" if drawing else ""
        report.into_readme(TOP / "README.md", "\n" + text + "\n" + picture)
    print(f"written: {directory}/results.json" + (f" and {directory}/scaling.svg" if drawing else ""))


def parse():
    parser = argparse.ArgumentParser(prog="deploy/bench", description="See the head of deploy/bench.")
    parser.add_argument("daemon", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="about two minutes, and rougher figures")
    parser.add_argument("--rounds", type=int, metavar="N", help="so many rounds, instead of five and three")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="only the jobs with this in their name; repeatable")
    parser.add_argument("--to", default=str(TOP / ".build/benchmark"), metavar="DIR",
                        help="where results.json and scaling.svg go (.build/benchmark)")
    parser.add_argument("--readme", action="store_true",
                        help="put the tables into the README, and the files into deploy/benchmark")
    parser.add_argument("--scale", type=int, metavar="N", help="instead: up to so many namespaces, and down again")
    return parser.parse_args()


def main():
    options = parse()
    plan = Plan.quick() if options.quick else Plan()
    if options.rounds:
        plan.rounds = plan.later_rounds = options.rounds
    chosen = choose(options.only)
    machine = host()
    version = subprocess.run([options.daemon, "version"], capture_output=True, text=True, check=True).stdout.strip()
    directory = HERE if options.readme else pathlib.Path(options.to)
    began = time.monotonic()
    store = Store()
    try:
        with Rig(options.daemon) as rig:
            if options.scale:
                rig.build()
                return scale.run(rig, options.scale, directory, machine, version, progress)
            measure(rig, plan, store, chosen, began)
            notes = rig.notes
        write(directory, options.readme, plan, store, machine, version, notes, time.monotonic() - began)
    except (Failure, subprocess.SubprocessError, OSError) as error:
        print(f"deploy/bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
