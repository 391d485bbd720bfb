"""Reads for the pages: one module a page, each function a fixed number of queries."""
