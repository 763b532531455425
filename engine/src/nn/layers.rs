//! Layers made of [`Backend`] operations.
