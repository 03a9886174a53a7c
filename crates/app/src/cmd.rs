//! One file per command: its arguments and what it does.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod consent;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod halt;
pub(crate) mod help;
pub(crate) mod home;
pub(crate) mod init;
pub(crate) mod leak;
pub(crate) mod log;
pub(crate) mod profile;
pub(crate) mod provider;
pub(crate) mod request;
pub(crate) mod secret;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod swap;
pub(crate) mod token;
pub(crate) mod watch;
