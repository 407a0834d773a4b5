"""Access to a chain: nodes, quorums, reads, signing and sending; no store and no project."""
