//! cross_attention
