//! guided
