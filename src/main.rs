//! The dwsload binary.
fn main() {}
