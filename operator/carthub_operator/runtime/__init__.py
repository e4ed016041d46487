"""What turns watch events and time into passes: kopf, cache, work queue, schedule, health."""
