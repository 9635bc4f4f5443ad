"""feed: asks somebody who is not reliable, and gives up when he is not."""

import random
import time


def fetch():
    if random.random() < 0.1:
        raise ConnectionError("the feed answers 503")
    return random.randrange(1000)


def main():
    while True:
        print(f"{fetch()} items", flush=True)
        time.sleep(1)
