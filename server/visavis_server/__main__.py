"""`python -m visavis_server` is `visavis`."""

from visavis_server.cli import main

main()
