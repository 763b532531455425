//! Blocks in, blocks out: the window that moves over a stream. Knows no tensors.
