"""The machine: durable files, locks, HTTP, clocks, signals; independent of evidence."""
