//! The stream as an audio thread sees it: exact in time, continuous whatever happens, the same for
//! every block size.

mod allocation;
mod exactness;
mod fakes;
mod model;
mod offline;
mod pool;
mod trouble;
