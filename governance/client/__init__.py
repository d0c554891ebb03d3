"""The `countersign` command for pipelines. Standard library only: it runs on any Python 3.11 without installing more."""
