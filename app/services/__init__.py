"""What Eligo does for its callers. Async stops here: plain functions read and judge, in worker processes."""
