"""Formats that others work with, one module each."""
