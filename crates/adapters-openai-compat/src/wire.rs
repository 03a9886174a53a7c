//! What goes over the wire, both ways: plain data with fixed member order out, tolerant where servers
//! differ in.

pub(crate) mod reply;
pub(crate) mod request;
