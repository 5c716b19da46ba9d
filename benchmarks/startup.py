"""How fast the command line answers: wall time in units of `import numpy`, best of 7."""

import subprocess
import sys
import time

YARDSTICK = "import numpy"
BARS = {
    "import scaling": 1.0,
    "from scaling.cli import main; main(['--help'])": 3.0,
    "from scaling.cli import main; main(['laws'])": 12.0,
}


def seconds(code: str, repeats: int = 7) -> float:
    """Return the best wall time of a fresh interpreter running `code`, less that of an empty one."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> int:
    empty = seconds("pass")
    unit = seconds(YARDSTICK) - empty
    print(f"{YARDSTICK}: {1e3 * unit:.0f} ms")
    failed = 0
    for code, bar in BARS.items():
        ratio = (seconds(code) - empty) / unit
        failed += ratio > bar
        print(f"{ratio:6.2f} of {bar:g} allowed  {'ok ' if ratio <= bar else 'SLOW'}  {code}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
