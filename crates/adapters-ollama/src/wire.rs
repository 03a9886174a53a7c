//! The wire's own types. Fixed order on the way out; unknown members are ignored on the way in.

pub(crate) mod control;
pub(crate) mod reply;
pub(crate) mod request;
