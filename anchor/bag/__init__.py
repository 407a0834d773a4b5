"""The folder for court: BagIt bags (``anchor-bag/1``), their strict validator and their writer."""
