"""Names COUNT namespaces with pyroute2, and removes them: pyroute.py COUNT PREFIX; one line of figures as nsfloor's."""

import sys
import time

from pyroute2 import netns

count, prefix = int(sys.argv[1]), sys.argv[2]
netns.create(prefix + "first")  # The modules that it needs are loaded by now.
latency = []
start = time.monotonic()
for number in range(count):
    began = time.monotonic()
    netns.create(f"{prefix}{number}")
    latency.append((time.monotonic() - began) * 1e6)
wall = time.monotonic() - start
for number in range(count):
    netns.remove(f"{prefix}{number}")
netns.remove(prefix + "first")
latency.sort()
print(f"create count={count} p50_us={latency[count // 2]:.1f} p99_us={latency[count * 99 // 100]:.1f} "
      f"per_second={count / wall:.0f}")
