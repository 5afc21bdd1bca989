"""`python -m benchmarks [NAME ...]`: run the named benchmarks, or all of them, one after the other.

A benchmark is a module of this folder with a `main()`. Each measures side by side, in one run, and prints
ratios; none of them is a test, because a busy machine must not fail one.
"""

import sys
from importlib import import_module
from pathlib import Path

HELPERS = {"__main__", "__init__", "reference", "measure", "engine_cluster"}


def main(names: list[str]) -> int:
    found = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)
    unknown = [name for name in names if name not in found]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(found)}", file=sys.stderr)
        return 2
    for name in names or found:
        print(f"== {name}", flush=True)
        import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
