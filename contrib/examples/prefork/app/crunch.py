"""crunch: arithmetic without end. Each worker draws numbers of its own."""

import math
import random

POINTS = 2_000_000


def main(number):
    inside = total = 0
    while True:
        for _ in range(POINTS):
            inside += math.hypot(random.random(), random.random()) < 1
        total += POINTS
        print(f"{number}: pi is {4 * inside / total:.6f} by {total} points",
              flush=True)
