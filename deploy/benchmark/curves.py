"""The scaling curves as an SVG file that reads on light and dark pages alike."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 172, 46, 50
COLOURS = {"ours": "#3b82c4", "other": "#8a6fc9", "third": "#3f9e5a", "floor": "#d9772b", "peer": "#c2528b"}
GREY = "#7d8590"
STYLE = (f"text{{font-family:system-ui,sans-serif;font-size:12px;fill:{GREY}}}"
         ".title{font-size:14px;font-weight:600}.label{font-weight:500}"
         "@media(prefers-color-scheme:dark){text{fill:#a3abb5}}")

# Title, what is on the axes, the field, and the rows with what they are called here and their colour.
PANELS = [
    ("Creating, by clients", "creates a second", "rate", "clients", [
        ("create, back to back with the pool", "with the pool", "other"), ("create, cold", "--warm 0", "ours"),
        ("floor create", "C, as many threads", "floor"), ("ip netns add", "ip netns add", "peer")]),
    ("Creating and deleting, by clients", "pairs a second", "rate", "clients", [
        ("create and delete", "netnsd", "ours"), ("floor churn", "C, a thread a core", "floor")]),
    ("Reading, by clients", "answers a second", "rate", "clients", [
        ("GET /healthz", "/healthz", "other"), ("GET one", "GET one", "ours"),
        ("list page of 100", "page of 100", "third")]),
    ("Creating, by namespaces present", "p50, µs", "p50", "present", [
        ("create, back to back with the pool", "with the pool", "other"), ("create, cold", "--warm 0", "ours"),
        ("floor create", "C", "floor")]),
    ("Deleting, by namespaces present", "p50, µs", "p50", "present", [
        ("delete", "netnsd", "ours"), ("floor delete", "C", "floor")]),
    ("Reading, by namespaces present", "p50, µs", "p50", "present", [
        ("GET /healthz", "/healthz", "other"), ("GET one", "GET one", "ours"),
        ("list page of 100", "page of 100", "third")]),
]
X_TITLES = {"clients": "clients, each one connection", "present": "namespaces present"}


def nice(value):
    """The next number whose quarters are short ones."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    factors = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
    return next(power * factor for factor in factors if power * factor >= value * 0.999)


def number(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def series_of(store, panel, clients, populations):
    _, _, field, axis, rows = panel
    result = []
    for row, name, kind in rows:
        if axis == "clients":
            # A page of 100 wants as many namespaces.
            present = populations[0] if (row, clients[0], populations[0]) in store.samples else populations[-1]
            values = [store.median(row, field, count, present) for count in clients]
        else:
            values = [store.median(row, field, clients[0], count) for count in populations]
        if sum(value is not None for value in values) > 1:
            result.append((name, COLOURS[kind], values))
    return result


def spread(positions, gap, low, high):
    """Moves labels apart that would cover each other, in their order."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    placed = list(positions)
    for before, after in zip(order, order[1:]):
        placed[after] = max(placed[after], placed[before] + gap)
    if order and placed[order[-1]] > high:
        shift = placed[order[-1]] - high
        for index in order:
            placed[index] = max(low, placed[index] - shift)
    return placed


def frame(panel, ticks, top, top_value):
    title, y_title, _, axis, _ = panel
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    out = [f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
           f'<text transform="translate(14 {(TOP + bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">'
           f'{escape(y_title)}</text>',
           f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(X_TITLES[axis])}</text>']
    for step in range(5):
        y = bottom - (bottom - top) * step / 4
        out.append(f'<line x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" '
                   f'stroke-opacity="{0.9 if step == 0 else 0.25}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(top_value * step / 4)}</text>')
    for x, tick in ticks:
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:,}</text>')
    return out


def draw(panel, series, ticks_at):
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    top_value = nice(max(value for _, _, values in series for value in values if value is not None))
    inset = 16
    width = right - LEFT - 2 * inset
    xs = [LEFT + inset + width * index / max(1, len(ticks_at) - 1) for index in range(len(ticks_at))]
    out = frame(panel, list(zip(xs, ticks_at)), TOP, top_value)
    ends = []
    for _, colour, values in series:
        points = [(x, bottom - (bottom - TOP) * value / top_value) for x, value in zip(xs, values) if value is not None]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        ends.append(points[-1][1])
    last = [next(value for value in reversed(values) if value is not None) for _, _, values in series]
    for (name, colour, _), y, value in zip(series, spread(ends, 15, TOP, bottom), last):
        out.append(f'<text class="label" x="{right + 6}" y="{y + 4:.1f}" style="fill:{colour}">'
                   f'{escape(name)}: {number(value)}</text>')
    return out


def svg(store, clients, populations, caption):
    """All panels that there are figures for, two in a row; None if there is none."""
    panels = []
    for panel in PANELS:
        series = series_of(store, panel, clients, populations)
        if series:
            panels.append(draw(panel, series, clients if panel[3] == "clients" else populations))
    if not panels:
        return None
    rows = (len(panels) + 1) // 2
    columns = min(2, len(panels))
    height = rows * HEIGHT + 24
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * WIDTH} {height}" role="img" '
           f'width="{columns * WIDTH}" height="{height}">',
           f"<title>{escape(caption)}</title>", f"<style>{STYLE}</style>"]
    for index, body in enumerate(panels):
        out.append(f'<g transform="translate({index % 2 * WIDTH} {index // 2 * HEIGHT})">')
        out += body
        out.append("</g>")
    out.append(f'<text x="{LEFT}" y="{height - 8}">{escape(caption)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"
