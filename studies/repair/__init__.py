"""Finds and mends what kills, full disks and earlier code left of a study."""
