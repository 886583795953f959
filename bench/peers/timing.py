"""What the peers' steps have in common: the study's sizes, and how a step is timed."""

import statistics
import time

BATCH, SIDE, CLASSES = 32, 128, 3


def median_ms(step, seconds: float) -> float:
    for _ in range(3):
        step()
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)
