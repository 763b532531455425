//! griffin_lim
