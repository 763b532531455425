//! Luthier as a VST3 and CLAP plugin. The host side is not written yet; the engine that it will play is.
