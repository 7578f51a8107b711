"""The HTTP API and the signalling WebSocket, as docs/protocol.md describes them."""
