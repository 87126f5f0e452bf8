"""The tables of a benchmark, in Markdown that also reads well in a terminal, and the bars it is held to."""

import re

from jobs import BATCH, CORES, WARM_POOL

# What is shown, the row, and the floor that its median is divided by.
TABLE = [
    ("**create: C, no HTTP**", "floor create", None),
    ("create, cold (`--warm 0`)", "create, cold", "floor create"),
    (f"create, warm, while the pool lasts (`--warm {WARM_POOL}`)", "create, warm", "floor create"),
    ("create, back to back with the pool", "create, back to back with the pool", "floor create"),
    ("`ip netns add`", "ip netns add", "floor create"),
    ("`ip -batch`, each", "ip -batch", "floor create"),
    ("pyroute2, in process", "pyroute2", "floor create"),
    ("**create and raise `lo`: C**", "floor create, loopback up", None),
    ("create, cold, loopback up", "create, cold, loopback up", "floor create, loopback up"),
    ("**delete: C**", "floor delete", None),
    ("delete", "delete", "floor delete"),
    ("`ip netns del`", "ip netns del", "floor delete"),
    ("**create and delete at once: C**", "floor churn", None),
    ("create and delete at once", "create and delete", "floor churn"),
    (f"**{BATCH} creates: C, all cores**", "floor batch", None),
    (f"batch of {BATCH}", f"batch of {BATCH}", "floor batch"),
    (f"delete {BATCH} by label", f"delete {BATCH} by label", "floor batch delete"),
    ("list page of 100", "list page of 100", None),
    ("GET one", "GET one", None),
    ("GET /healthz", "GET /healthz", None),
]
MARKS = ("<!-- deploy/bench --readme writes from here -->", "<!-- to here -->")


def amount(value, digits=0):
    return "–" if value is None else f"{value:,.{digits}f}"


def columns(cells, widths=None):
    widths = widths or [0] * len(cells)
    return "| " + " | ".join(cell.ljust(width) if index == 0 else cell.rjust(width)
                             for index, (cell, width) in enumerate(zip(cells, widths))) + " |"


def table(heads, rows):
    widths = [max(len(row[index]) for row in [heads, *rows]) for index in range(len(heads))]
    rule = "|" + "|".join("-" * (width + 2) if index == 0 else "-" * (width + 1) + ":"
                          for index, width in enumerate(widths)) + "|"
    return "\n".join([columns(heads, widths), rule, *(columns(row, widths) for row in rows)])


def main_table(store, plan):
    clients, populations = plan.clients, plan.populations
    heads = ["operation", "p50 µs", "p99 µs", "÷ floor"]
    heads += [f"/s, {count} client{'s' if count > 1 else ''}" for count in clients]
    heads += [f"p50 µs, {count:,} there" for count in populations[1:]]
    rows = []
    for title, row, floor in TABLE:
        first = next((count for count in populations if (row, clients[0], count) in store.samples), None)
        if first is None:
            continue
        ratio = store.ratio(row, floor, "p50", clients[0], first) if floor else None
        cells = [title, amount(store.median(row, "p50", clients[0], first)),
                 amount(store.median(row, "p99", clients[0], first)), amount(ratio, 2)]
        cells += [amount(store.median(row, "rate", count, first)) for count in clients]
        cells += [amount(store.median(row, "p50", clients[0], count)) for count in populations[1:]]
        rows.append(cells)
    return table(heads, rows) if rows else ""


def floor_table(store, present):
    rows = []
    for row in ("GET /healthz", "GET one", "list page of 100"):
        ours, floor = f"wrk, {row}", f"mhdfloor, {row}"
        if (ours, 32, present) in store.samples:
            rows.append([row, amount(store.median(ours, "rate", 32, present)),
                         amount(store.median(floor, "rate", 32, present)),
                         amount(store.ratio(ours, floor, "rate", 32, present), 2),
                         amount(store.median(ours, "p50", 32, present)),
                         amount(store.median(ours, "p99", 32, present))])
    heads = [f"`wrk -t1 -c32`, {present:,} there", "netnsd /s", "mhdfloor /s", "÷ floor", "p50 µs", "p99 µs"]
    return table(heads, rows) if rows else ""


def access_table(store):
    rows = []
    for row, without in (("TCP, nobody asked", None), ("TCP, bearer token", "TCP, nobody asked"),
                         ("TLS, nobody asked", None), ("TLS, client certificate", "TLS, nobody asked")):
        if (row, 1, 0) in store.samples:
            rows.append([row, amount(store.median(row, "p50"), 1), amount(store.median(row, "p99"), 1),
                         amount(store.ratio(row, without, "p50") if without else None, 3)])
    return table(["GET one, keep-alive, one client", "p50 µs", "p99 µs", "÷ without"], rows) if rows else ""


def hit_line(store, plan):
    found = []
    for clients in plan.clients:
        hits, tries = store.hits.get(f"create, warm, {clients}, {plan.populations[0]}", (0, 0))
        if tries:
            found.append(f"{hits / tries:.0%} at {clients}")
    return "Warm creates that found one in the pool, by clients: " + ", ".join(found) + "." if found else ""


def idle_lines(facts):
    if "startMilliseconds" not in facts:
        return ""
    return (f"Idle: {facts['idleProcessorPercent']:.2f} % of a processor over {facts['idleSeconds']:g} s, "
            f"{facts['idleResidentMiB']} MiB resident; {facts['startMilliseconds']} ms from the start to ready on an "
            f"empty host.")


def bars(store, plan):
    """Every bar that there are figures for: what it is about, the figure, the bar, whether it is met."""
    most, one = plan.populations[-1], plan.clients[0]
    warm, cold = store.median("create, warm", "p99"), store.median("create, cold", "p99")
    found = [
        ("cold create, p50 ÷ floor", store.ratio("create, cold", "floor create", "p50"), "≤", 1.15),
        ("cold create, 8 clients ÷ floor of 2 threads, throughput",
         store.ratio("create, cold", "floor create", "rate", 8, floor_clients=2), "≥", 0.8),
        ("warm create, p50 ÷ floor", store.ratio("create, warm", "floor create", "p50"), "≤", 0.35),
        ("warm create, p99 ÷ cold p99", warm / cold if warm and cold else None, "≤", 1.0),
        (f"create and delete, 8 clients ÷ C on {CORES} threads, throughput",
         store.ratio("create and delete", "floor churn", "rate", 8), "≥", 0.75),
        ("GET /healthz, wrk ÷ mhdfloor", store.ratio("wrk, GET /healthz", "mhdfloor, GET /healthz", "rate", 32, most),
         "≥", 0.75),
        ("GET one, wrk ÷ mhdfloor", store.ratio("wrk, GET one", "mhdfloor, GET one", "rate", 32, most), "≥", 0.85),
        (f"page of 100 of {most:,}, wrk ÷ mhdfloor",
         store.ratio("wrk, list page of 100", "mhdfloor, list page of 100", "rate", 32, most), "≥", 0.5),
        ("idle, % of a processor", store.facts.get("idleProcessorPercent"), "<", 0.05),
        ("idle, MB resident", in_megabytes(store.facts.get("idleResidentMiB")), "<", 20),
        ("start to ready, ms", store.facts.get("startMilliseconds"), "<", 50),
        ("bearer token, p50 ÷ without", store.ratio("TCP, bearer token", "TCP, nobody asked", "p50"), "≤", 1.05),
        ("client certificate, p50 ÷ without", store.ratio("TLS, client certificate", "TLS, nobody asked", "p50"),
         "≤", 1.05),
    ]
    if most > 0:
        before, after = (store.median("create, cold", "p50", one, count) for count in (plan.populations[0], most))
        found.append((f"cold create, p50 with {most:,} there ÷ with none",
                      after / before if before and after else None, "≤", 1.3))
    compare = {"≤": float.__le__, "≥": float.__ge__, "<": float.__lt__}
    return [{"what": what, "figure": round(figure, 3), "bar": f"{sign} {bar}",
             "isMet": compare[sign](float(figure), float(bar))}
            for what, figure, sign, bar in found if figure is not None]


def in_megabytes(mebibytes):
    return None if mebibytes is None else mebibytes * 1.048576


def bar_table(found):
    rows = [[bar["what"], f"{bar['figure']:g}", bar["bar"], "met" if bar["isMet"] else "**missed**"] for bar in found]
    return table(["what it is held to", "figure", "bar", ""], rows) if rows else ""


def document(store, plan, machine, version, notes, seconds):
    """Everything, as it is printed and as the README has it."""
    begun = (f"{version} on {machine['date']}: {machine['processor']}, {machine['cores']} cores, "
             f"{machine['memoryGiB']} GiB, Linux {machine['kernel']}; load average {machine['loadAverage']} before it. "
             f"{seconds:.0f} s in all. Figures are medians of {plan.rounds} interleaved rounds', p99 too "
             f"({plan.later_rounds} where namespaces were present before); ratios are taken within a round. Daemon, "
             f"clients and kernel share the cores.")
    parts = [begun, main_table(store, plan), hit_line(store, plan), floor_table(store, plan.populations[-1]),
             access_table(store), idle_lines(store.facts), bar_table(bars(store, plan)),
             "\n".join(f"* {note}" for note in notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def into_readme(readme, text):
    """Replaces what is between the marks."""
    content = readme.read_text()
    begin, end = (re.escape(mark) for mark in MARKS)
    replaced, count = re.subn(f"({begin}\n).*?({end})", lambda found: found.group(1) + text + found.group(2), content,
                              flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{readme} has no marks to write between")
    readme.write_text(replaced)
