"""Say what verl knows of ours, and exit with 1 where it is not all there: the first line of a job's launch script."""

from __future__ import annotations

import sys

from onethinker.scale.verl.plugin import PluginMissingError, check


def main() -> int:
    try:
        import verl
    except ImportError as error:
        print(f"onethinker: verl cannot be imported ({error}); pip install 'onethinker[verl]'", file=sys.stderr)
        return 1
    try:
        found = check()
    except PluginMissingError as error:
        print(f"onethinker: {error}", file=sys.stderr)
        return 1
    print(f"verl {verl.__version__} knows of onethinker: {', '.join(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
