"""The collector's spool: frames on disk from when they are taken until they are acknowledged."""
