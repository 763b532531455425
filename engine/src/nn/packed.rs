//! The packed CPU executor: playing.
