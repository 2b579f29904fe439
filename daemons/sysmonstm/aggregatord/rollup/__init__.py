"""Rolls frames up to minutes and hours, drops what is too old, and deletes what people had forgotten."""
