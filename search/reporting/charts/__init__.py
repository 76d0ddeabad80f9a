"""Axes, scales and marks, and the charts that several sections share. All of it is SVG."""
