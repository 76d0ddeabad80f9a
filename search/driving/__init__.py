"""The driver of one launch: events in from the cluster, actions out to it and to storage, with progress."""
