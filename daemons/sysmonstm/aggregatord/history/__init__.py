"""History in PostgreSQL: the writer, the numbers that frames are filed under, and what is read back at a start."""
