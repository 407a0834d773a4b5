"""The machine: durable files, locks, HTTP, clocks, signals; nothing here knows of evidence."""
