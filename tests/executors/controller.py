"""A controller to be killed: starts one order, says so, and waits."""

import json
import sys
import time
from pathlib import Path

from tests.executors.ansible_bench import Bench


def main() -> None:
    folder, host, step, once = Path(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    bench = Bench(folder)
    bench.executor().run(bench.order(host, step=step, once=once), bench.post)
    print("started", flush=True)  # noqa: T201  the test waits for it
    time.sleep(300)


if __name__ == "__main__":
    main()
