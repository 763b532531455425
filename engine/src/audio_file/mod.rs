//! Audio files: decoding (WAV, FLAC, MP3, OGG) and encoding (WAV, FLAC).
