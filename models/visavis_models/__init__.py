"""What turns voice into motion and motion into pictures. Knows nothing of sockets, sessions or clocks."""
