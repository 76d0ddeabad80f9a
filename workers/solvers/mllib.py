"""How MLlib cuts the rows up before it adds their gradients, which both frameworks' objectives follow."""

PARTITIONS = 2
"""Partitions of the training rows, each a run of them in the split's order, on any number of cores.

MLlib adds up the partitions' gradients in the order in which they arrive. Two numbers give the same sum in
either order; three don't, so that with more partitions the same trial would give other bits each time."""

BLOCK_SIZE = 128
"""MLlib's blockSize, at its default. Not a mini-batch: it is how many rows of a partition are stacked into
one matrix product. But MLlib averages the means of the blocks, so that a row of a shorter last block weighs
more: another size is another objective."""
