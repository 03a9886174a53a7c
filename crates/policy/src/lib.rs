#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod confirmed;
pub mod egress;
pub mod retry;
pub mod rules;
pub mod second_hand;
