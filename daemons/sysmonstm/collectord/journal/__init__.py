"""Errors that the machine's journal gets, counted by unit."""
