"""`python -m visavis_server.listening PIPE` is a process that listens: without the command line's libraries."""

import sys

from visavis_server.listening.process import listen

if __name__ == "__main__":
    listen(int(sys.argv[1]))
