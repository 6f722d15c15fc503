//! The view of the kernel that a reconciler needs.

use crate::error::Error;
use crate::model::{Operation, Table};

/// A kernel's table that can be read and changed: [`Client`](crate::Client), or a fake in tests.
pub trait Kernel {
    /// The whole table with counters.
    fn table(&mut self) -> Result<Table, Error>;

    /// Carries out the operations in order. Each has its own result: one that fails does not stop
    /// those after it.
    fn execute(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>>;
}
