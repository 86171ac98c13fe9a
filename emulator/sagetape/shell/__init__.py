"""Everything that waits: sockets, files, clocks, processes. It performs what `sagetape.core` decided."""
