"""What of a model file's behaviour is measured on the machine that computes it, and in which unit."""

from __future__ import annotations

MEGABYTE = 1_000_000
MEASURED = {"load-time": "seconds", "latency-p99": "milliseconds", "peak-memory": "MB"}
"""Tests whose figures differ from machine to machine: they stand in the provenance, and the policy limits them."""
