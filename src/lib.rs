//! The library a program depends on: from a join string to addresses.
