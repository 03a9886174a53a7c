//! The vault against damage, other users, other origins and other writers.

#[path = "it/approval.rs"]
mod approval;
#[path = "it/damage.rs"]
mod damage;
#[path = "it/keys.rs"]
mod keys;
#[path = "it/references.rs"]
mod references;
#[path = "it/register.rs"]
mod register;
#[path = "it/sample.rs"]
mod sample;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/slots.rs"]
mod slots;
