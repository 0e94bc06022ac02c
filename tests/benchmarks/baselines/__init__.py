"""What the benchmarks compare with: written by hand in the plainest way that is fast, in one folder, to be reviewed.

What receives messages is a process, `python -m tests.benchmarks.baselines NAME …`; it says `ready` when messages may
come. Where they go into a journal, its tables and indexes are the gateway's own (`gateway.journal.schema`) and every
column is filled with the same; everything else is the bare library.
"""
