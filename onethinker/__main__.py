"""`python -m onethinker`, which is how `torchrun -m onethinker` starts it."""

from onethinker.cli.app import main

if __name__ == "__main__":
    main()
