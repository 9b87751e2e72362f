//! The data plane: obeys a traffic table, sticks, drains, retries, measures.
