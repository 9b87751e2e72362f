//! Where releases run: local processes with ports, health checks and logs.
