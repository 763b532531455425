//! The candle executor: training, and CUDA.
