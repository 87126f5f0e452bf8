"""The figures of a benchmark: every round's, and their medians and ratios."""

import statistics


class Store:
    """Samples of a row are `p50` and `p99` in microseconds and `rate` a second, at so many clients and namespaces."""

    def __init__(self):
        self.samples = {}
        self.facts = {}
        self.hits = {}

    def add(self, row, clients, present, turn, figures):
        """Takes over what a C program has printed in one round."""
        sample = {"turn": turn}
        for name, field in (("p50", "p50_us"), ("p99", "p99_us"), ("rate", "per_second")):
            if field in figures:
                sample[name] = figures[field]
        self.samples.setdefault((row, clients, present), []).append(sample)

    def count(self, what, hits, tries):
        """Counts how often something was there already."""
        before = self.hits.get(what, (0, 0))
        self.hits[what] = (before[0] + hits, before[1] + tries)

    def median(self, row, field, clients=1, present=0):
        """The median of the rounds, None where there is no such figure."""
        values = [sample[field] for sample in self.samples.get((row, clients, present), ()) if field in sample]
        return statistics.median(values) if values else None

    def ratio(self, row, floor, field, clients=1, present=0, floor_clients=None, scale=1.0):
        """The median of the ratios to the floor in the same round, which share what else the machine was doing."""
        below = {sample["turn"]: sample[field]
                 for sample in self.samples.get((floor, floor_clients or clients, present), ()) if sample.get(field)}
        ratios = [sample[field] / (below[sample["turn"]] * scale)
                  for sample in self.samples.get((row, clients, present), ())
                  if field in sample and sample["turn"] in below]
        return statistics.median(ratios) if ratios else None

    def rows(self):
        """What a JSON file says of every row: the medians, and the rounds that they are of."""
        result = []
        for (row, clients, present), samples in self.samples.items():
            entry = {"row": row, "clients": clients, "present": present}
            for field in ("p50", "p99", "rate"):
                value = self.median(row, field, clients, present)
                if value is not None:
                    entry[{"p50": "p50Microseconds", "p99": "p99Microseconds", "rate": "perSecond"}[field]] = value
            entry["rounds"] = [{k: v for k, v in sample.items() if k != "turn"} for sample in samples]
            result.append(entry)
        return result
