"""Training exports: records for Ultron and its summariser, and how their answers are read."""
