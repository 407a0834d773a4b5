"""Capture of web pages: a browser's session, and the files about it that one bag holds."""
