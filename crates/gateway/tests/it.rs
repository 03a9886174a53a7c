//! The gateway over a real socket, the real gate and real adapters, in front of servers that answer what a test says.

#![expect(
    unreachable_pub,
    reason = "what the modules share with each other is `pub`, and nothing else sees it"
)]

mod it {
    mod across;
    mod client;
    mod doors;
    mod home;
    mod limits;
    mod metrics;
    mod routes;
    mod same_shape;
    mod upstream;
    mod waiting;
}
