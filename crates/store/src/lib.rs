//! The event log, snapshots, leases, log segments and blobs.
