"""Sessions, transports, the media clock, the HTTP API and the command line."""
